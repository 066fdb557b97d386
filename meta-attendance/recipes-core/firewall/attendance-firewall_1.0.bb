SUMMARY = "Firewall: the page, mDNS and DHCP may come in; SSH if the site asks for it"
DESCRIPTION = "The rules that nftables.service loads, and its order after the site's choice."
SECTION = "net"
RDEPENDS:${PN} = "nftables"

inherit attendance_files
