"""Headers in which a proxy describes the client. Frameworks believe them, so fronts drop those that clients
send."""

from __future__ import annotations

from collections.abc import Iterable

#: X-Forwarded-For and -Proto are not here: fronts set them
PROXY_HEADERS = (
    # the client's address
    *("Forwarded", "X-Forwarded", "Forwarded-For", "X-Real-IP", "X-Client-IP", "X-Cluster-Client-IP"),
    *("X-Originating-IP", "X-Remote-IP", "X-Remote-Addr", "Remote-Addr", "Remote-Host", "Client-IP"),
    *("True-Client-IP", "CF-Connecting-IP", "CF-Connecting-IPv6", "Fastly-Client-IP", "X-Azure-ClientIP"),
    *("X-Appengine-User-IP", "X-Envoy-External-Address", "X-ProxyUser-Ip", "X-Original-For"),
    # scheme, host and port
    *("X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Scheme", "X-Forwarded-By"),
    *("X-Forwarded-Protocol", "X-Forwarded-Ssl", "X-Original-Host", "X-Original-Proto", "X-Host"),
    *("X-HTTP-Host-Override", "X-Scheme", "X-Url-Scheme", "Front-End-Https", "CF-Visitor", "HTTPS"),
    *("X-Forwarded-HTTPS", "Server-Name", "Server-Port"),
    # the path
    *("X-Forwarded-Prefix", "X-Forwarded-Path", "X-Forwarded-Uri", "X-Original-URL", "X-Original-URI"),
    *("X-Rewrite-URL", "X-Script-Name", "Script-Name", "Path-Info", "X-Path-Info", "X-Envoy-Original-Path"),
    # the user
    *("Remote-User", "Remote-Groups", "Remote-Name", "Remote-Email", "X-Remote-User", "X-Remote-Email"),
    *("X-Remote-Group", "X-Remote-Groups", "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups"),
    *("X-Forwarded-Preferred-Username", "X-Forwarded-Access-Token", "X-Authenticated-User"),
    *("X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Groups", "X-WEBAUTH-USER"),
    *("X-Forwarded-Client-Cert", "X-Client-Cert", "X-SSL-Client-Cert", "X-SSL-Client-Verify"),
    *("X-SSL-Client-S-DN", "SSL-Client-Cert", "Auth-Type"),
    # what else a front says to an application, or a program takes for its own proxy (httpoxy)
    *("X-Sendfile-Type", "X-Accel-Mapping", "Proxy"),
)
#: headers that make another method of a POST. With GET they would have a cache keep the answer to another
#: method
METHOD_OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
#: a request target whose path has "." or ".." for a segment, however it is encoded. Fronts resolve them to
#: judge a request; applications get them as they came: /admin/../public is public here, below /admin/ there
DOT_SEGMENT = r"^[^?#\s]*(?:[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?:[/\\?#;\s]|%2f|%5c|$)"


def dropped(trusted: Iterable[str]) -> list[str]:
    """Return the headers that clients may not send. trusted: headers that proxies before this host may
    send."""
    believed = {name.lower() for name in trusted}
    return [name for name in PROXY_HEADERS if name.lower() not in believed]


def variable(name: str) -> str:
    """What nginx calls a header, without its prefix: X-Real-IP is $http_x_real_ip."""
    return name.lower().replace("-", "_")
