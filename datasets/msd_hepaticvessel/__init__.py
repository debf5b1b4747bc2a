"""Medical Segmentation Decathlon, Task08_HepaticVessel."""
