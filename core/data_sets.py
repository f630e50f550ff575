"""The data sets of the tasks that are in no other table, for `lab list`: docs/data.md says more of each."""

DATASETS: dict[str, str] = {
    "adding": "the sum of two marked numbers of 100: for sequence, as are the next four; made when asked for",
    "copy": "ten symbols to be said again 20 steps later (Arjovsky et al. 2016)",
    "copy-tcn": "the same as one number a step, as in the code of Bai et al. 2018",
    "parity": "whether the ones so far are odd in number, at every step of 1 to 40, at the end of 200",
    "strings": "a picture of 3 to 5 digits, to be read in order",
    "stories": "1,000 stories of three sentences, for bert; or your own FILE.txt, a sentence a line",
    "meetings": "3,000 sentences and who acts, for text-classifier; or your own FILE.tsv: text, tab, label",
    "waves": "two sines and noise, 2,000 rows, for forecast; or your own FILE.csv, a row a line",
}
