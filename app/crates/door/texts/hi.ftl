# What the screen at the door says, in Hindi.

invitation = कृपया कैमरे की ओर देखें
in = आगमन
in-hint = स्वागत है
out = प्रस्थान
out-hint = फिर मिलेंगे
seen = देख लिया
seen-hint = सब ठीक है
too-early = पहले ही दर्ज है
too-early-hint = और कुछ नहीं करना है
unknown = आपकी पहचान नहीं हुई
unknown-hint = कृपया कार्यालय में पूछें
refused = यह तस्वीर लगती है
refused-hint = कृपया स्वयं आएँ
wait = एक क्षण

come-closer = पास आइए
more-light = यहाँ बहुत अँधेरा है
less-light = यहाँ रोशनी बहुत तेज़ है
look-at-the-camera = कैमरे की ओर देखें
hold-still = स्थिर रहें
blink = कृपया पलक झपकाएँ
blink-or-turn = पलक झपकाएँ या सिर घुमाएँ
turn-left = सिर बाईं ओर घुमाएँ
turn-right = सिर दाईं ओर घुमाएँ
look-up = ऊपर देखें
look-down = नीचे देखें
step-aside = हट जाएँ, फिर स्वयं आएँ
better-view = पास आइए, अच्छी रोशनी में
wait-for-photos = एक क्षण, तस्वीरें आ रही हैं

weekday = { $day ->
    [1] सोमवार
    [2] मंगलवार
    [3] बुधवार
    [4] गुरुवार
    [5] शुक्रवार
    [6] शनिवार
   *[7] रविवार
}
month = { $month ->
    [1] जनवरी
    [2] फ़रवरी
    [3] मार्च
    [4] अप्रैल
    [5] मई
    [6] जून
    [7] जुलाई
    [8] अगस्त
    [9] सितंबर
    [10] अक्टूबर
    [11] नवंबर
   *[12] दिसंबर
}
date = { $weekday }, { $day } { $month }
