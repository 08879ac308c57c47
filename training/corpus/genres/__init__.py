"""All genres of the composer, one a file."""

from soundstage.training.corpus.genres.ambient import AMBIENT
from soundstage.training.corpus.genres.bossa_nova import BOSSA_NOVA
from soundstage.training.corpus.genres.classical_piano import CLASSICAL_PIANO
from soundstage.training.corpus.genres.disco import DISCO
from soundstage.training.corpus.genres.drum_and_bass import DRUM_AND_BASS
from soundstage.training.corpus.genres.folk import FOLK
from soundstage.training.corpus.genres.funk import FUNK
from soundstage.training.corpus.genres.house import HOUSE
from soundstage.training.corpus.genres.jazz import JAZZ
from soundstage.training.corpus.genres.lofi import LOFI
from soundstage.training.corpus.genres.orchestral import ORCHESTRAL
from soundstage.training.corpus.genres.reggae import REGGAE
from soundstage.training.corpus.genres.rock import ROCK
from soundstage.training.corpus.genres.string_quartet import STRING_QUARTET
from soundstage.training.corpus.genres.synthwave import SYNTHWAVE
from soundstage.training.corpus.genres.techno import TECHNO

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
