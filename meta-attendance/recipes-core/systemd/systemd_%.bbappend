# What the units of this appliance need, and nothing else that would start automatically.
# The last three are for card.key: systemd-cryptenroll, and what opens a card by a TPM.
PACKAGECONFIG:append:appliance = " openssl cryptsetup cryptsetup-plugins tpm2"
PACKAGECONFIG:remove:appliance = "binfmt hibernate ima machined nss-mymachines osc-context quotacheck vconsole"
RESOLV_CONF:appliance = "stub-resolv"
# volatile-binds would lay memory over parts of /var, which lies on the data partition; consoles come from
# getty@.service. The recipe depends on both, so that BAD_RECOMMENDATIONS of the image does not keep them out.
RDEPENDS:${PN}:remove:appliance = "systemd-serialgetty volatile-binds"
