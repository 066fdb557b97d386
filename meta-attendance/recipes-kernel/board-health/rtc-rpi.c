// SPDX-License-Identifier: GPL-2.0
/*
 * The Pi 5's real-time clock, which its firmware reads and sets (mailbox properties 0x00030087 and 0x00038087: the number of a
 * register, and its value; register 0 is the time, in seconds since 1970).
 *
 * Mainline has no driver for it. Compiled and never run: no board was at hand, and the emulated one has no such firmware.
 *
 * A clock without a battery starts again at each power cut. What it then says is not a time, and must not set the system's clock back:
 * whatever lies before the year of this driver is reported as "not set".
 *
 * Alarms are left out, and so is charging a battery: the cell that people buy for the connector may not bear it.
 */
#include <linux/err.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/platform_device.h>
#include <linux/rtc.h>
#include <soc/bcm2835/raspberrypi-firmware.h>

/* Mainline's header has no names for them. */
#define GET_RTC_REGISTER ((enum rpi_firmware_property_tag)0x00030087)
#define SET_RTC_REGISTER ((enum rpi_firmware_property_tag)0x00038087)
#define RTC_REGISTER_TIME 0

struct rtc_register {
	__le32 number;
	__le32 value;
};

static int rpi_rtc_read(struct device *dev, struct rtc_time *tm)
{
	struct rpi_firmware *firmware = dev_get_drvdata(dev);
	struct rtc_register reg = { .number = cpu_to_le32(RTC_REGISTER_TIME) };
	time64_t seconds;
	int error;

	error = rpi_firmware_property(firmware, GET_RTC_REGISTER, &reg, sizeof(reg));
	if (error)
		return error;
	seconds = le32_to_cpu(reg.value);
	if (seconds < mktime64(2026, 1, 1, 0, 0, 0))
		return -EINVAL;
	rtc_time64_to_tm(seconds, tm);
	return 0;
}

static int rpi_rtc_set(struct device *dev, struct rtc_time *tm)
{
	struct rpi_firmware *firmware = dev_get_drvdata(dev);
	struct rtc_register reg = {
		.number = cpu_to_le32(RTC_REGISTER_TIME),
		.value = cpu_to_le32((u32)rtc_tm_to_time64(tm)),
	};

	return rpi_firmware_property(firmware, SET_RTC_REGISTER, &reg, sizeof(reg));
}

static const struct rtc_class_ops rpi_rtc_ops = {
	.read_time = rpi_rtc_read,
	.set_time = rpi_rtc_set,
};

static int rpi_rtc_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct device_node *node = of_parse_phandle(dev->of_node, "firmware", 0);
	struct rpi_firmware *firmware;
	struct rtc_device *rtc;

	if (!node)
		return dev_err_probe(dev, -ENOENT, "the tree names no firmware\n");
	firmware = devm_rpi_firmware_get(dev, node);
	of_node_put(node);
	if (!firmware)
		return -EPROBE_DEFER;
	platform_set_drvdata(pdev, firmware);

	rtc = devm_rtc_allocate_device(dev);
	if (IS_ERR(rtc))
		return PTR_ERR(rtc);
	rtc->ops = &rpi_rtc_ops;
	rtc->range_max = U32_MAX;
	clear_bit(RTC_FEATURE_ALARM, rtc->features);
	return devm_rtc_register_device(rtc);
}

static const struct of_device_id rpi_rtc_devices[] = {
	{ .compatible = "raspberrypi,rpi-rtc" },
	{}
};
MODULE_DEVICE_TABLE(of, rpi_rtc_devices);

static struct platform_driver rpi_rtc_driver = {
	.driver = { .name = "rtc-rpi", .of_match_table = rpi_rtc_devices },
	.probe = rpi_rtc_probe,
};
module_platform_driver(rpi_rtc_driver);

MODULE_DESCRIPTION("Real-time clock of a Raspberry Pi 5");
MODULE_LICENSE("GPL");
