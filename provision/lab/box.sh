# Makes the disk of a virtual machine from a lab image: a kernel, a boot loader, DHCP and Vagrant's login are added.
# box.py runs it as root, in mount and process namespaces that end with it; nothing is mounted by loop, and no
# VM is needed.
#
# usage: sh box.sh LAYERS BUILD MEGABYTES KEY    LAYERS: overlay's lowerdir=.   BUILD: has upper, work and root.
#        MEGABYTES: of the disk.                 KEY: the public key that Vagrant logs in with at first.
#
# In BUILD it leaves disk.img, the file system from its first MiB on, and GRUB's boot.img and core.img, which
# belong before that.
set -eu
layers=$1 build=$2 megabytes=$3 key=$4
root=$build/root
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
mount -t overlay overlay -o "lowerdir=$layers,upperdir=$build/upper,workdir=$build/work" "$root"
mount -t proc proc "$root/proc"
trap 'echo "E: it failed here" >&2' EXIT

echo "I: installing the kernel..."
# before the kernel, whose installation builds the initramfs: only the modules that find the disk
mkdir -p "$root/etc/initramfs-tools/conf.d"
printf 'MODULES=list\nCOMPRESS=zstd\n' > "$root/etc/initramfs-tools/conf.d/prov-box"
printf '%s\n' virtio_pci virtio_blk virtio_scsi virtio_net sd_mod ahci ext4 crc32c > "$root/etc/initramfs-tools/modules"
apt="chroot $root apt-get -q -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io"
$apt update
$apt install -y --no-install-recommends -o Dpkg::Options::=--force-confold \
  linux-image-cloud-amd64 initramfs-tools zstd kmod udev e2fsprogs systemd-resolved \
  grub-pc-bin grub-common

echo "I: configuring it..."
uuid=$(cat /proc/sys/kernel/random/uuid)
echo "UUID=$uuid / ext4 errors=remount-ro 0 1" > "$root/etc/fstab"
name=$(. "$root/etc/os-release"; echo "$ID-$VERSION_ID")
echo "$name" > "$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 %s\n::1 localhost ip6-localhost ip6-loopback\n' "$name" > "$root/etc/hosts"
# 99: Vagrant writes 50-vagrant-eth1.network for a private network, and that must win
cat > "$root/etc/systemd/network/99-dhcp.network" <<END
[Match]
Name=en* eth*
[Network]
DHCP=ipv4
IPv6AcceptRA=no
[DHCPv4]
ClientIdentifier=mac
UseDomains=yes
END
# do not answer name queries of the network: that would open a port to everyone (resolved.conf(5))
mkdir -p "$root/etc/systemd/resolved.conf.d"
printf '[Resolve]\nLLMNR=no\nMulticastDNS=no\n' > "$root/etc/systemd/resolved.conf.d/quiet.conf"
# one small key, made at the first boot, so that VMs of the box share none: RSA would take half a minute on an
# emulated processor
cat > "$root/etc/systemd/system/ssh-hostkeys.service" <<END
[Unit]
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
[Install]
WantedBy=multi-user.target
END
systemctl="systemctl --quiet --root=$root"
$systemctl enable systemd-networkd systemd-resolved ssh serial-getty@ttyS0 ssh-hostkeys
$systemctl mask systemd-networkd-wait-online.service  # it would slow down each boot
ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
chroot "$root" useradd --create-home --shell /bin/bash vagrant
mkdir -m 700 "$root/home/vagrant/.ssh"
cp "$key" "$root/home/vagrant/.ssh/authorized_keys"
chmod 600 "$root/home/vagrant/.ssh/authorized_keys"
chroot "$root" chown -R vagrant: /home/vagrant/.ssh
(umask 337; echo 'vagrant ALL=(ALL:ALL) NOPASSWD: ALL' > "$root/etc/sudoers.d/90-vagrant")
: > "$root/etc/machine-id"
rm -f "$root"/etc/ssh/ssh_host_*

# GRUB's own installer wants a real disk. /vmlinuz and /initrd.img are links that the kernel's package keeps.
# No mitigations: a throwaway machine, and emulated ones are slow enough.
mkdir -p "$root/boot/grub"
cat > "$root/boot/grub/grub.cfg" <<END
set timeout=0
linux /vmlinuz root=UUID=$uuid ro console=tty0 console=ttyS0,115200 net.ifnames=0 mitigations=off
initrd /initrd.img
boot
END
cp -r "$root/usr/lib/grub/i386-pc" "$root/boot/grub/i386-pc"
chroot "$root" grub-mkimage -O i386-pc -o /boot/grub/core.img -p '(hd0,msdos1)/boot/grub' biosdisk part_msdos ext2
cp "$root/boot/grub/core.img" "$root/usr/lib/grub/i386-pc/boot.img" "$build/"
rm -rf "$root/var/cache/apt/"*.bin "$root/var/cache/apt/archives/"*.deb
umount "$root/proc"

echo "I: writing the disk..."
truncate -s "${megabytes}M" "$build/disk.img"
# listed explicitly: e2fsprogs' defaults differ, and GRUB of Debian 12 cannot read the newest features
features=none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file
features=$features,huge_file,dir_nlink,extra_isize,metadata_csum
mke2fs -q -t ext4 -L root -U "$uuid" -O "$features" -E offset=1048576,lazy_itable_init=1,root_owner=0:0 \
  -d "$root" "$build/disk.img" "$((megabytes - 1))M"
umount "$root"
trap - EXIT
