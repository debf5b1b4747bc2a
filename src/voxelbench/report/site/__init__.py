"""The static site: the leaderboard, a page for every cell with the runs behind it, and the documents that explain them.

    sources   CSV files of a table, as rows of text
    evidence  folders of runs, as far as they are there
    model     both, joined to cells, matrices and sheets
    markdown  README files and docs
    render    pages

Pages work from the file system: no server, no network, no fonts or scripts of others.
"""
