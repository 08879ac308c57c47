"""Every genre the composer knows, one a file."""

from training.corpus.genres.ambient import AMBIENT
from training.corpus.genres.bossa_nova import BOSSA_NOVA
from training.corpus.genres.classical_piano import CLASSICAL_PIANO
from training.corpus.genres.disco import DISCO
from training.corpus.genres.drum_and_bass import DRUM_AND_BASS
from training.corpus.genres.folk import FOLK
from training.corpus.genres.funk import FUNK
from training.corpus.genres.house import HOUSE
from training.corpus.genres.jazz import JAZZ
from training.corpus.genres.lofi import LOFI
from training.corpus.genres.orchestral import ORCHESTRAL
from training.corpus.genres.reggae import REGGAE
from training.corpus.genres.rock import ROCK
from training.corpus.genres.string_quartet import STRING_QUARTET
from training.corpus.genres.synthwave import SYNTHWAVE
from training.corpus.genres.techno import TECHNO

GENRES = {
    genre.name: genre
    for genre in (
        AMBIENT,
        BOSSA_NOVA,
        CLASSICAL_PIANO,
        DISCO,
        DRUM_AND_BASS,
        FOLK,
        FUNK,
        HOUSE,
        JAZZ,
        LOFI,
        ORCHESTRAL,
        REGGAE,
        ROCK,
        STRING_QUARTET,
        SYNTHWAVE,
        TECHNO,
    )
}
