"""Facts of our own making, to be hidden in long texts and asked for. Nothing here is true, and nothing of it stands in any book.

Each has a question in its own words and one that shares no word with it that tells anything, so that only its meaning leads there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

GROUPS = (1, 2, 3, 4, 5, 6, 7, 8, 8)  # so many facts are hidden together: about one kind of thing, each in the others' way


@dataclass(frozen=True, slots=True)
class Fact:
    """A sentence, a question that shares words with it, and one that shares none."""

    text: str
    shared: str
    other: str


_WRITTEN = """\
The blind cobbler of the lower market keeps eleven cats in his attic.
How many cats does the blind cobbler keep in his attic?
What number of felines share the upstairs of the shoemaker who cannot see?

The bishop's surgeon was paid forty silver spoons for setting the miller's leg.
What was the surgeon paid for setting the miller's leg?
Which cutlery did a doctor receive after mending the broken limb of a man who grinds flour?

Aunt Perpetua buried her wedding ring beneath the third apple tree.
Beneath which apple tree did Aunt Perpetua bury her wedding ring?
Where in the orchard is the gold band of a married relative hidden underground?

The schooner Marguerite sank off Cape Doran with a cargo of church bells.
What cargo did the schooner Marguerite carry when she sank off Cape Doran?
Which goods went to the sea floor in a wrecked sailing vessel?

Captain Oswin steers by a compass that his grandmother carved out of whalebone.
Who carved the whalebone compass that Captain Oswin steers by?
From whom does the skipper have his instrument for finding north?

The harbour master fines every ship that arrives after the noon gun.
After which gun does the harbour master fine every ship that arrives?
When do boats pay a penalty for reaching port?

A tame otter named Bramble delivers the letters on Skerrow.
Who delivers the letters on Skerrow?
Which animal brings the mail?

The zoo's oldest elephant refuses to eat anything but pickled cabbage.
What is the only thing that the zoo's oldest elephant does not refuse to eat?
Which food satisfies the aged animal with a trunk?

The ravens of Hartwell Tower can count to seven.
How far can the ravens of Hartwell Tower count?
Up to which number do the black birds know arithmetic?

Every spring the shepherd paints the horns of his rams bright blue.
In what colour does the shepherd paint the horns of his rams?
Which tint do male sheep get on their heads once a year?

The clock in the town hall loses nine minutes whenever the organ is played.
How many minutes does the clock in the town hall lose when the organ is played?
By how much does the public timepiece fall behind because of music?

The observatory's telescope was ground from the bottom of a beer bottle.
From what was the observatory's telescope ground?
Out of which discarded drinking vessel came the lens for looking at stars?

The first lift in the ministry was raised by two mules walking in the cellar.
What raised the first lift in the ministry?
Which animals moved passengers between floors of the government building?

Doctor Amberly's calculating engine jams on the thirty-first of each month.
On which day of each month does Doctor Amberly's calculating engine jam?
When does the arithmetic machine of the physician get stuck?

The printing press at Lowmoor was hidden from the soldiers inside a haystack.
Where was the printing press at Lowmoor hidden from the soldiers?
Under what did troops fail to find the apparatus for making newspapers?

Judge Pellworth sentenced the poacher to plant six hundred oaks.
How many oaks did Judge Pellworth sentence the poacher to plant?
What punishment did the magistrate give the man who hunted illegally?

The duchess left her entire fortune to the boy who swept her chimneys.
To whom did the duchess leave her entire fortune?
Who inherited the noblewoman's money?

No lawyer may enter the valley of Ostrey between harvest and Christmas.
Between when may no lawyer enter the valley of Ostrey?
During which season are attorneys forbidden to come?

The widow Tarrant won the lawsuit because her parrot gave evidence.
Why did the widow Tarrant win the lawsuit?
Which bird testified in court for a woman whose husband had died?

The tax on windows was repealed after the mayor fell down a dark staircase.
After what was the tax on windows repealed?
Which accident of a city's leader ended the duty paid for panes of glass?

Young Corwin forged his uncle's signature on a cheque for nine guineas.
For how many guineas was the cheque on which Corwin forged his uncle's signature?
What sum did the nephew obtain through a fake autograph?

The monks of Saint Elric brew a tonic from nettles that cures hiccups.
What does the tonic cure that the monks of Saint Elric brew from nettles?
Which ailment disappears after drinking what the monastery makes out of stinging plants?

The cook at the embassy seasons her soup with gunpowder.
With what does the cook at the embassy season her soup?
Which explosive serves as spice in a diplomatic kitchen?

The well at Farrow's End runs dry every ninth year.
How often does the well at Farrow's End run dry?
At what interval is there no drinking water left underground?

The tallest chimney in Brackley is inhabited by a family of storks.
Who inhabits the tallest chimney in Brackley?
Which birds nest on top of a smokestack?

The bridge over the Ander was built without a single nail.
Without what was the bridge over the Ander built?
Which fastener is absent from the river crossing?

Nurse Halloran warms her patients' medicine in a copper kettle.
In what does Nurse Halloran warm her patients' medicine?
Which metal pot heats drugs for people in hospital?

The mountain pass at Grell is closed by a chain from October to April.
By what is the mountain pass at Grell closed from October to April?
What bars the high road during winter?

Professor Lindqvist proved that the comet returns every sixty-three years.
How often does the comet return, as Professor Lindqvist proved?
After what period does the icy wanderer with a tail become visible again?

The orchestra plays the last movement in the dark to spare the lamp oil.
Why does the orchestra play the last movement in the dark?
For what thrifty reason do musicians finish without light?

The painter mixed his famous crimson from crushed beetles and vinegar.
From what did the painter mix his famous crimson?
Which insects gave an artist the red that made his name?

The dictionary of the Vellan tongue has no word for tomorrow.
For what has the dictionary of the Vellan tongue no word?
Which future day cannot be expressed by speakers of that language?

Miss Ferrars taught the deaf children to dance by feeling the floorboards.
How did Miss Ferrars teach the deaf children to dance?
In what way could pupils without hearing follow the rhythm?

The chess champion always gives away his queen on the fifth move.
What does the chess champion give away on the fifth move?
Which piece does the best player of the board game sacrifice early?

The statue in the square faces backwards because the sculptor was drunk.
Why does the statue in the square face backwards?
What made the stone figure look the wrong way?

The library lends its rarest atlas only to left-handed readers.
To whom does the library lend its rarest atlas?
Who is allowed to borrow the precious book of maps?

The glassblower's daughter married a tightrope walker from Lisbon.
Whom did the glassblower's daughter marry?
What was the profession of the bridegroom who came out of the capital of Portugal?

The militia of Underhaugh drills with broomsticks for want of muskets.
With what does the militia of Underhaugh drill?
Which cleaning tools replace firearms when citizens train for war?

The balloonist threw his boots overboard to clear the cathedral spire.
What did the balloonist throw overboard to clear the cathedral spire?
Which footwear was dropped so that an airship would rise above the church?

The gravedigger plants a turnip on the grave of every miser.
What does the gravedigger plant on the grave of every miser?
Which vegetable marks the burial place of someone who hated to spend?

The tunnel under the abbey comes out behind the altar of the Methodist chapel.
Where does the tunnel under the abbey come out?
In which house of worship does the secret underground passage end?

The beekeeper sings to her hives in Latin on the eve of a storm.
In what language does the beekeeper sing to her hives?
Which ancient tongue calms the insects that make honey before bad weather?

The innkeeper charges double for the room where the poet died.
For which room does the innkeeper charge double?
What costs guests twice as much because a writer passed away in it?

The railway to Scarfold was laid a yard too narrow for the engines.
How much too narrow was the railway to Scarfold laid for the engines?
By what distance did the track's width fail to fit the locomotives?"""
FACTS = tuple(Fact(*lines.split("\n")) for lines in _WRITTEN.split("\n\n"))


def groups() -> list[Sequence[Fact]]:
    """The facts as they are hidden together: one, two, and so on up to eight."""
    ends = list(accumulate(GROUPS, initial=0))
    return [FACTS[first:end] for first, end in pairwise(ends)]
