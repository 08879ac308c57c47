"""`python -m soundstage.training.depthformer`: trains on a file of tokens, and exports."""

from soundstage.interrupts import listen

if __name__ == "__main__":
    listen("soundstage.training.depthformer: stopped; the same command resumes")
    from soundstage.training.depthformer.command import main  # late: a signal may come meanwhile

    main()
