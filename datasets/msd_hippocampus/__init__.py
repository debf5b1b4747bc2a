"""Medical Segmentation Decathlon, Task04_Hippocampus."""
