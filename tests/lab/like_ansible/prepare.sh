set -e
mkdir -p /srv/www /tmp/d && echo inner > /tmp/d/file && chmod 644 /tmp/d/file
packed() { tar -C /tmp/d --sort=name --mtime=2020-01-01 --owner=0 --group=0 -cf - . | gzip -n > "/srv/www/$1"; }
packed data.tar.gz
mkdir /tmp/d/more && echo second > /tmp/d/file && echo tool > /tmp/d/more/tool && chmod 755 /tmp/d/more/tool && packed data2.tar.gz

git init -q -b main /tmp/repo && cd /tmp/repo && git config user.email a@example.com && git config user.name a
export GIT_AUTHOR_DATE=2020-01-01T00:00:00Z GIT_COMMITTER_DATE=2020-01-01T00:00:00Z
echo one > file && git add file && git commit -q -m one
git tag v1 && echo two > file && git commit -q -am two
git clone -q --bare /tmp/repo /srv/repo.git

# packages probe-one, probe-two and probe-other, in suites of signed repositories
export GNUPGHOME=/root/.gnupg-of-tests && mkdir -m 700 $GNUPGHOME
gpg -q --batch --passphrase '' --quick-generate-key probe@example.com rsa2048 sign never 2>/dev/null
suite() {
    folder=/srv/www/$1/dists/$2; mkdir -p $folder/main/binary-amd64 $folder/main/binary-arm64
    printf 'Package: %s\nVersion: 1.0\nArchitecture: all\nMaintainer: a <a@example.com>\nDescription: probe\nFilename: pool/%s.deb\nSize: 1\nSHA256: %064d\n' \
        $3 $3 0 | tee $folder/main/binary-amd64/Packages > $folder/main/binary-arm64/Packages
    { printf 'Suite: %s\nCodename: %s\nComponents: main\nArchitectures: all amd64 arm64\nDate: %s\nSHA256:\n' $2 $2 "$(date -Ru)"
      for arch in amd64 arm64; do file=main/binary-$arch/Packages
          echo " $(sha256sum < $folder/$file | cut -d' ' -f1) $(stat -c %s $folder/$file) $file"; done; } > $folder/Release
    gpg -q --batch --clearsign -o $folder/InRelease $folder/Release
}
suite debian one probe-one; suite debian two probe-two; suite other one probe-other

systemd-run --quiet --unit=www --working-directory=/srv/www /usr/bin/python3 -m http.server --bind 127.0.0.1 8000
gpg --armor --export > /tmp/key
python3 - <<'END'
import hashlib, json, pathlib
sha = lambda name: hashlib.sha256(pathlib.Path("/srv/www", name).read_bytes()).hexdigest()
print(json.dumps({"archive": sha("data.tar.gz"), "archive2": sha("data2.tar.gz"), "key": open("/tmp/key").read()}))
END
