"""Control: nnU-Net, which plans, preprocesses and trains a network of its own."""
