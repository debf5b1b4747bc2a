"""Metrics: pure functions of arrays, each with a second implementation in its test.

| module               | gives                                                                            |
|----------------------|----------------------------------------------------------------------------------|
| masks                | all scores of one class of a case, and the rule for empty masks                  |
| overlap              | Dice; AutoPET's false positive and false negative volume                         |
| surface              | HD95 in mm, NSD                                                                  |
| classification       | accuracy, balanced accuracy, macro AUC, calibration error, from probabilities    |
| image_quality        | PSNR, SSIM, NRMSE inside a mask                                                  |
| upstream_translation | PSNR, SSIM as S2DC's released code takes them; never to be mixed with the others |
| guards               | what is refused, and the name of the case in front of the refusal                |
"""
