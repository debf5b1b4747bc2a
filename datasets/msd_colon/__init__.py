"""Medical Segmentation Decathlon, Task10_Colon."""
