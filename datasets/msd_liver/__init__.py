"""Medical Segmentation Decathlon, Task03_Liver: liver and its tumours in CT."""
