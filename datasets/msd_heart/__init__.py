"""Medical Segmentation Decathlon, Task02_Heart."""
