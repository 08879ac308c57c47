"""`python -m soundstage.training.bandcodec`: fits the band codec, and trains its decoder."""

from soundstage.interrupts import listen

if __name__ == "__main__":
    listen("soundstage.training.bandcodec: stopped; the same command resumes")
    from soundstage.training.bandcodec.command import main  # late: a signal may come meanwhile

    main()
