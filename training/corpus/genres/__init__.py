"""All genres of the composer, one a file."""

from soundstage.training.corpus.genres.acoustic.bossa_nova import BOSSA_NOVA
from soundstage.training.corpus.genres.acoustic.celtic import CELTIC
from soundstage.training.corpus.genres.acoustic.classical_piano import CLASSICAL_PIANO
from soundstage.training.corpus.genres.acoustic.folk import FOLK
from soundstage.training.corpus.genres.acoustic.jazz import JAZZ
from soundstage.training.corpus.genres.acoustic.orchestral import ORCHESTRAL
from soundstage.training.corpus.genres.acoustic.salsa import SALSA
from soundstage.training.corpus.genres.acoustic.samba import SAMBA
from soundstage.training.corpus.genres.acoustic.string_quartet import STRING_QUARTET
from soundstage.training.corpus.genres.acoustic.waltz import WALTZ
from soundstage.training.corpus.genres.band.afrobeat import AFROBEAT
from soundstage.training.corpus.genres.band.blues import BLUES
from soundstage.training.corpus.genres.band.country import COUNTRY
from soundstage.training.corpus.genres.band.funk import FUNK
from soundstage.training.corpus.genres.band.metal import METAL
from soundstage.training.corpus.genres.band.pop import POP
from soundstage.training.corpus.genres.band.reggae import REGGAE
from soundstage.training.corpus.genres.band.rock import ROCK
from soundstage.training.corpus.genres.band.ska import SKA
from soundstage.training.corpus.genres.band.soul import SOUL
from soundstage.training.corpus.genres.electronic.ambient import AMBIENT
from soundstage.training.corpus.genres.electronic.chiptune import CHIPTUNE
from soundstage.training.corpus.genres.electronic.disco import DISCO
from soundstage.training.corpus.genres.electronic.drum_and_bass import DRUM_AND_BASS
from soundstage.training.corpus.genres.electronic.dubstep import DUBSTEP
from soundstage.training.corpus.genres.electronic.hip_hop import HIP_HOP
from soundstage.training.corpus.genres.electronic.house import HOUSE
from soundstage.training.corpus.genres.electronic.lofi import LOFI
from soundstage.training.corpus.genres.electronic.synthwave import SYNTHWAVE
from soundstage.training.corpus.genres.electronic.techno import TECHNO
from soundstage.training.corpus.genres.electronic.trance import TRANCE
from soundstage.training.corpus.genres.electronic.trap import TRAP
from soundstage.training.corpus.genres.electronic.uk_garage import UK_GARAGE

GENRES = {
    genre.name: genre
    for genre in (
        AFROBEAT,
        AMBIENT,
        BLUES,
        BOSSA_NOVA,
        CELTIC,
        CHIPTUNE,
        CLASSICAL_PIANO,
        COUNTRY,
        DISCO,
        DRUM_AND_BASS,
        DUBSTEP,
        FOLK,
        FUNK,
        HIP_HOP,
        HOUSE,
        JAZZ,
        LOFI,
        METAL,
        ORCHESTRAL,
        POP,
        REGGAE,
        ROCK,
        SALSA,
        SAMBA,
        SKA,
        SOUL,
        STRING_QUARTET,
        SYNTHWAVE,
        TECHNO,
        TRANCE,
        TRAP,
        UK_GARAGE,
        WALTZ,
    )
}
