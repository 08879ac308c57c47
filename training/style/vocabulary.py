"""The subword vocabulary of the corpus's descriptions."""

import io
import string
from collections.abc import Iterable

import sentencepiece

from soundstage.stages.style_towers.text import normal_text

# Characters of prompts that need a subword even if no description contains them.
LETTERS = string.ascii_lowercase + string.digits + "-&'/+#.,!?äöüßéèêàáâíìîóòôúùûñçåæø"


def learn_vocabulary(texts: Iterable[str], pieces: int) -> bytes:
    """Learns a SentencePiece model; the same texts give the same bytes.

    Args:
        texts: descriptions; this function normalises them.
        pieces: the largest number of subwords in the vocabulary.

    Returns:
        The model, serialised.
    """
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(sorted({normal_text(text) for text in texts})),
        model_writer=model,
        vocab_size=pieces,
        hard_vocab_limit=False,
        character_coverage=1.0,
        required_chars=LETTERS,
        normalization_rule_name="identity",
        unk_id=0,
        bos_id=-1,
        eos_id=-1,
        pad_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()
