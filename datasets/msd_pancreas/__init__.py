"""Medical Segmentation Decathlon, Task07_Pancreas."""
