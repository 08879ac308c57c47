"""`python -m soundstage.training.style`: trains the style towers, and exports them."""

from soundstage.interrupts import listen

if __name__ == "__main__":
    listen("soundstage.training.style: stopped; the same command resumes")
    from soundstage.training.style.command import main  # late: a signal may come meanwhile

    main()
