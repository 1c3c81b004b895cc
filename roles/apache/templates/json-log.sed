# made by prov, role apache: Apache's log escapes bytes as \xhh and a tabulator as \v, which JSON does not know
s/\\\\/\\u005c/g
s/\\x/\\u00/g
s/\\v/\\u000b/g
s/"cache":"\([A-Z]*\) from [^"]*"}$/"cache":"\1"}/
