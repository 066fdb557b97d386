// SPDX-License-Identifier: GPL-2.0
/*
 * A TPM 2.0 module on the header of a Raspberry Pi 5: SPI by lines of the RP1 (spi-gpio), at the pins of SPI0. Debian's
 * tree of the board has no node for SPI, and an overlay would take these lines from every site. So the initramfs loads
 * this, only where the key of the card comes from a TPM (key.sh).
 *
 * Lines: GPIO 11 clock, 10 to the TPM, 9 from it; selected by GPIO 7 (CE1), or 8 (CE0) with select=8. Nobody has tried it
 * on a board.
 */
#include <linux/gpio/machine.h>
#include <linux/kmod.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/spi/spi.h>
#include <linux/spi/spi_gpio.h>

/* Of this bus; the tree's own have small numbers. */
#define BUS 70
#define CHIP "pinctrl-rp1"

static unsigned int select = 7;
module_param(select, uint, 0444);
MODULE_PARM_DESC(select, "GPIO that selects the TPM: 7 (CE1) or 8 (CE0)");

static struct gpiod_lookup_table lines = {
	.dev_id = "spi_gpio.70",
	.table = {
		GPIO_LOOKUP(CHIP, 11, "sck", GPIO_ACTIVE_HIGH),
		GPIO_LOOKUP(CHIP, 10, "mosi", GPIO_ACTIVE_HIGH),
		GPIO_LOOKUP(CHIP, 9, "miso", GPIO_ACTIVE_HIGH),
		GPIO_LOOKUP_IDX(CHIP, 7, "cs", 0, GPIO_ACTIVE_LOW),
		{ }
	},
};

static const struct spi_gpio_platform_data bus = { .num_chipselect = 1 };
static struct spi_board_info tpm = { .modalias = "tpm_tis_spi", .max_speed_hz = 1000000, .mode = SPI_MODE_0 };
static struct platform_device *device;

static int __init start(void)
{
	struct device *found;
	int error = -ENODEV;

	if (select != 7 && select != 8)
		return -EINVAL;
	lines.table[3].chip_hwnum = select;
	/* Bound at once, or not at all. */
	request_module("spi-gpio");
	gpiod_add_lookup_table(&lines);
	device = platform_device_register_data(NULL, "spi_gpio", BUS, &bus, sizeof(bus));
	if (IS_ERR(device)) {
		error = PTR_ERR(device);
		goto no_device;
	}
	found = device_find_child_by_name(&device->dev, "spi70");
	if (!found)
		goto no_bus;
	request_module("tpm_tis_spi");
	if (spi_new_device(container_of(found, struct spi_controller, dev), &tpm)) {
		put_device(found);
		return 0;
	}
	put_device(found);
no_bus:
	platform_device_unregister(device);
no_device:
	gpiod_remove_lookup_table(&lines);
	return error;
}

static void __exit stop(void)
{
	platform_device_unregister(device);
	gpiod_remove_lookup_table(&lines);
}

module_init(start);
module_exit(stop);
MODULE_DESCRIPTION("TPM 2.0 on the header of a Raspberry Pi 5");
MODULE_LICENSE("GPL");
