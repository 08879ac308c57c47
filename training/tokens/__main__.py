"""`python -m soundstage.training.tokens`: encodes music once, for all later training runs."""

from soundstage.interrupts import listen

if __name__ == "__main__":
    listen("soundstage.training.tokens: stopped; the same command resumes")
    from soundstage.training.tokens.command import main  # late: a signal may come meanwhile

    main()
