-- Made by prov, role apache: what Apache itself has no words for. It runs before anything looks at a request's headers.

-- what a client may say of its connection. mod_proxy drops every header that Connection names: a client would have it
-- drop X-Forwarded-For and -Proto, which the front sets
local connection = {["close"] = true, ["keep-alive"] = true, ["upgrade"] = true}

function without_tricks(r)
    -- a second try (site.conf): mod_proxy would give its answer the status of the first one
    if string.sub(r.uri, 1, 13) == "/.prov-again/" and r.subprocess_env["REDIRECT_STATUS"] then
        r.status = 200
    end
    for name in pairs(r:headers_in_table()) do
        -- as nginx does: application servers write "-" as "_" in the names that they pass on, so that one of these would
        -- stand for a header that the front sets or drops
        if string.find(name, "_", 1, true) then
            r.headers_in[name] = nil
        end
    end
    local said = r.headers_in["Connection"]
    if said then
        local kept = {}
        for word in string.gmatch(said, "[^%s,]+") do
            if connection[string.lower(word)] then
                kept[#kept + 1] = word
            end
        end
        r.headers_in["Connection"] = #kept > 0 and table.concat(kept, ", ") or nil
    end
    -- "shop.example.com." is the same host for Apache, and should be for applications
    local host = r.headers_in["Host"]
    if host then
        host = string.gsub(host, "%.$", "")
        -- in a variable of its own: gsub returns a number as well
        host = string.gsub(host, "%.(:%d*)$", "%1")
        r.headers_in["Host"] = host
    end
    return apache2.DECLINED
end
