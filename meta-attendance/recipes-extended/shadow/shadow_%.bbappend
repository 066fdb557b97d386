# pam.d/login: the site's password for root, none by default.
FILESEXTRAPATHS:prepend:appliance := "${THISDIR}/files/etc:"
