#!/bin/sh
# The benchmark's stack by hand: unpacked on the host beside its files/ and rendered/, and run there as root.
# It does all of it every time, as such scripts do, but restarts and reloads only what has new contents.
set -eu
cd "$(dirname "$0")"
export DEBIAN_FRONTEND=noninteractive

apt-get -qq update
apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install \
    nginx python3-venv openssl ca-certificates curl cron logrotate >/dev/null

id shop >/dev/null 2>&1 || useradd --system --user-group --no-create-home --home-dir /srv/shop \
    --shell /usr/sbin/nologin shop

install -d -m 755 /srv/shop /srv/shop/app /srv/shop/static /etc/shop /etc/shop/tls
install -d -m 750 -g shop /srv/shop/conf
install -d -m 750 -o shop -g shop /var/lib/shop
install -d -m 750 -o shop -g adm /var/log/shop

restart='' reload='' units='' sshd=''
# put SOURCE TARGET [MODE [GROUP]]: succeeds if the target has changed
put() {
    chmod "${3:-644}" "$2" 2>/dev/null || true
    cmp -s "$1" "$2" && return 1
    install -m "${3:-644}" -g "${4:-root}" "$1" "$2"
}

put files/shop.py /srv/shop/app/shop.py && restart=yes
put files/style.css /srv/shop/static/style.css || true
put files/robots.txt /srv/shop/static/robots.txt || true

[ -x /srv/shop/venv/bin/pip ] || python3 -m venv /srv/shop/venv
/srv/shop/venv/bin/pip install --quiet --disable-pip-version-check gunicorn==23.0.0 itsdangerous==2.2.0

put rendered/shop.env /etc/shop/shop.env 640 shop && restart=yes
put rendered/gunicorn.conf.py /etc/shop/gunicorn.conf.py && restart=yes
put rendered/settings.json /srv/shop/conf/settings.json 640 shop && restart=yes
put rendered/shop.socket /etc/systemd/system/shop.socket && units=yes
put rendered/shop.service /etc/systemd/system/shop.service && units=yes restart=yes
put rendered/nginx.conf /etc/nginx/nginx.conf && reload=yes
put rendered/tls.conf /etc/nginx/snippets/shop-tls.conf && reload=yes
put rendered/proxy.conf /etc/nginx/snippets/shop-proxy.conf && reload=yes
put rendered/site.conf /etc/nginx/sites-available/shop && reload=yes
put rendered/logrotate /etc/logrotate.d/shop || true
put rendered/cron /etc/cron.d/shop || true
ln -sfn /etc/nginx/sites-available/shop /etc/nginx/sites-enabled/shop
rm -f /etc/nginx/sites-enabled/default /var/www/html/index.nginx-debian.html

[ -e /etc/shop/tls/shop.test.pem ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
    -nodes -days 365 -subj /CN=shop.test -addext subjectAltName=DNS:shop.test \
    -keyout /etc/shop/tls/shop.test.key -out /etc/shop/tls/shop.test.pem 2>/dev/null

for line in 'X11Forwarding no' 'MaxAuthTries 4' 'ClientAliveInterval 300'; do
    grep -qx "$line" /etc/ssh/sshd_config && continue
    word=${line%% *}
    sed -i "s/^#\\?$word .*/$line/" /etc/ssh/sshd_config
    sshd=yes
done
grep -qx '127.0.0.1 shop.test' /etc/hosts || echo '127.0.0.1 shop.test' >>/etc/hosts

if [ "$units" ]; then systemctl daemon-reload; fi
systemctl --quiet enable --now shop.socket shop.service nginx.service cron.service
if [ "$restart" ]; then systemctl restart shop.service; fi
if [ "$reload" ]; then nginx -q -t && systemctl reload nginx.service; fi
if [ "$sshd" ]; then /usr/sbin/sshd -t && systemctl reload ssh.service; fi
curl --silent --show-error --fail --output /dev/null --cacert /etc/shop/tls/shop.test.pem \
    --retry 10 --retry-all-errors --retry-delay 1 https://shop.test/
