"""The static site: the leaderboard, a page for every cell with the runs behind it, and the documents that explain them.

    sources             which files of results, as rows of text
    evidence, curve     folders of runs, as far as they are there; their losses as lines
    model, join, sheet  cells, matrices and other tables; how they are joined of rows and runs
    montage             slices of the test cases of a run, as a picture
    markdown            READMEs and docs
    formats, render     numbers for people; pages of templates/ with static/

Pages work from the file system: no server, no network, no fonts or scripts of others.
"""
