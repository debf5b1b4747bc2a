"""Analyses: what the tokens of frozen encoders say, as numbers for figures. Each kind has a module, drawn in `report`.

In order of reading:

settings.py      what the config says of an analysis; no torch
plan.py          which encoders and cases it reads; no torch
similarity.py    cosines of an anchor, and how well they tell its organ
separation.py    how far apart the features of organs lie
scenes.py        analysis `similarity`: an anchor and every token of its volume
organs.py        analysis `organs`: one feature an organ and case, and a map of them
evolution.py     analysis `evolution`: an anchor and the tokens of other cases, snapshot by snapshot
slices.py        the axial slices behind the maps
"""
