"""Values that mean something in a configuration language. Each must come out as it went in, or be refused."""

#: of one line
NASTY = [
    "two words",
    " blanks ",
    "semi;colon",
    'quo"te',
    "it's",
    "\"both'",
    "100%",
    "%i %%n",
    "$HOME ${HOME} $$",
    "${APACHE_LOG_DIR}",
    "back\\slash",
    "ends\\",
    "\\n \\x41 \\",
    "{ } [ ] ( )",
    "#comment",
    "# comment",
    "`id` $(id)",
    "*?[a-z]!",
    "größe 日本",
    "a=b&c|d<e>f~g^h,i:j@k",
    "-e",
    "endscript",
    "%{HTTP_HOST} %1 $1",
    "",
]
#: of several, or with other control characters
LINES = ["one\ntwo", "one\r\ntwo", "tab\tulator", "bell\x07", "del\x7f", "next\x85line", "para\u2029graph"]
