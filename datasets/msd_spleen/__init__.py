"""Medical Segmentation Decathlon, Task09_Spleen: spleen in CT."""
