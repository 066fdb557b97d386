# What the screen at the door says, in English. Short: a child of nine reads it while walking.

invitation = Please look at the camera
in = IN
in-hint = Good to see you
out = OUT
out-hint = Goodbye
seen = Seen
seen-hint = All is well
too-early = Already noted
too-early-hint = Nothing more to do
unknown = I do not know you
unknown-hint = Please ask at the office
refused = That looks like a picture
refused-hint = Please come yourself
wait = One moment

come-closer = Come closer
more-light = It is too dark here
less-light = It is too bright here
look-at-the-camera = Look at the camera
hold-still = Hold still
blink = Blink, please
blink-or-turn = Blink or turn your head
turn-left = Turn your head to the left
turn-right = Turn your head to the right
look-up = Look up
look-down = Look down
step-aside = Step aside, then come back yourself
better-view = Come closer, into better light
wait-for-photos = One moment, photos are loading

weekday = { $day ->
    [1] Monday
    [2] Tuesday
    [3] Wednesday
    [4] Thursday
    [5] Friday
    [6] Saturday
   *[7] Sunday
}
month = { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
}
date = { $weekday }, { $day } { $month }
