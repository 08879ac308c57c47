"""`python -m soundstage.training.codec`: trains a codec, exports it, measures it."""

from soundstage.interrupts import listen

if __name__ == "__main__":
    listen("soundstage.training.codec: stopped; the same command resumes")
    from soundstage.training.codec.command import main  # late: a signal may come meanwhile

    main()
