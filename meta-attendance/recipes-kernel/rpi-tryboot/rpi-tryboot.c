// SPDX-License-Identifier: GPL-2.0
/*
 * Passes `reboot "0 tryboot"` on to the Raspberry Pi's firmware, which then boots the other slot once (autoboot.txt, [tryboot]).
 *
 * Raspberry Pi's own kernel does this in drivers/firmware/raspberrypi.c; mainline's driver does not, and without it a trial boot of
 * an update would never happen. Unproven without a board: the emulated one has no such firmware.
 */
#include <linux/module.h>
#include <linux/of.h>
#include <linux/reboot.h>
#include <linux/string.h>
#include <soc/bcm2835/raspberrypi-firmware.h>

/* Mailbox property "set reboot flags", and its flag for a trial boot; mainline's header has no names for them. */
#define SET_REBOOT_FLAGS ((enum rpi_firmware_property_tag)0x00038064)
#define REBOOT_FLAG_TRYBOOT 1

static struct rpi_firmware *firmware;

static int rpi_tryboot_notify(struct notifier_block *block, unsigned long action, void *command)
{
	__le32 flags = cpu_to_le32(REBOOT_FLAG_TRYBOOT);
	int error;

	if (action != SYS_RESTART || !command || !strstr(command, "tryboot"))
		return NOTIFY_DONE;
	error = rpi_firmware_property(firmware, SET_REBOOT_FLAGS, &flags, sizeof(flags));
	if (error)
		pr_err("rpi-tryboot: the firmware refuses a trial boot: %d\n", error);
	else
		pr_info("rpi-tryboot: the next boot is a trial\n");
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = rpi_tryboot_notify };

static int __init rpi_tryboot_init(void)
{
	struct device_node *node = of_find_compatible_node(NULL, NULL, "raspberrypi,bcm2835-firmware");
	int error;

	if (!node)
		return -ENODEV;
	firmware = rpi_firmware_get(node);
	of_node_put(node);
	if (!firmware)
		return -EPROBE_DEFER;
	error = register_reboot_notifier(&notifier);
	if (error)
		rpi_firmware_put(firmware);
	return error;
}

static void __exit rpi_tryboot_exit(void)
{
	unregister_reboot_notifier(&notifier);
	rpi_firmware_put(firmware);
}

module_init(rpi_tryboot_init);
module_exit(rpi_tryboot_exit);

/* Loaded when the firmware's device appears. */
MODULE_ALIAS("of:N*T*Craspberrypi,bcm2835-firmware");
MODULE_ALIAS("of:N*T*Craspberrypi,bcm2835-firmwareC*");
MODULE_DESCRIPTION("Trial boots of the other slot on a Raspberry Pi");
MODULE_LICENSE("GPL");
