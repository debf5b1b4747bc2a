"""Medical Segmentation Decathlon, Task06_Lung: lung tumours in CT."""
