"""`python -m soundstage.training.corpus`: composes and renders a corpus into a folder."""

from soundstage.interrupts import listen

if __name__ == "__main__":
    listen("soundstage.training.corpus: stopped; the same command resumes")
    from soundstage.training.corpus.command import main  # late: a signal may come meanwhile

    main()
