"""Figures: a module for each kind, all in one style, each with the numbers that it shows. Imports no torch.

request.py     what is asked of a kind: a name, its settings, a budget
kinds.py       every kind of figure
draw.py        numbers, picture and caption, written together
style.py       colours, marks and sizes, the same in all figures
frame.py       title and footer around a picture
"""
