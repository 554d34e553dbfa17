"""What NVIDIA's tool prints, read."""

import pytest

from bench.doctor._seen import Card
from bench.doctor._smi import driver_from

CARD = """
<gpu id="00000000:01:00.0">
  <product_name>NVIDIA A100-SXM4-80GB</product_name>
  <product_architecture>Ampere</product_architecture>
  <persistence_mode>Enabled</persistence_mode>
  <mig_mode><current_mig>Enabled</current_mig><pending_mig>Enabled</pending_mig></mig_mode>
  <mig_devices><mig_device><index>0</index></mig_device><mig_device><index>1</index></mig_device></mig_devices>
  <uuid>GPU-00000000-0000-0000-0000-000000000000</uuid>
  <pci><pci_gpu_link_info>
    <pcie_gen><max_link_gen>4</max_link_gen><current_link_gen>1</current_link_gen></pcie_gen>
    <link_widths><max_link_width>16x</max_link_width><current_link_width>8x</current_link_width></link_widths>
  </pci_gpu_link_info></pci>
  <clocks_event_reasons>
    <clocks_event_reason_gpu_idle>Active</clocks_event_reason_gpu_idle>
    <clocks_event_reason_sw_power_cap>Active</clocks_event_reason_sw_power_cap>
    <clocks_event_reason_hw_thermal_slowdown>Not Active</clocks_event_reason_hw_thermal_slowdown>
  </clocks_event_reasons>
  <fb_memory_usage><total>81920 MiB</total><used>448 MiB</used><free>81472 MiB</free></fb_memory_usage>
  <compute_mode>Default</compute_mode>
  <ecc_mode><current_ecc>Enabled</current_ecc></ecc_mode>
  <ecc_errors>
    <volatile><sram_correctable>7</sram_correctable><sram_uncorrectable_parity>1</sram_uncorrectable_parity>
      <sram_uncorrectable_secded>N/A</sram_uncorrectable_secded><dram_uncorrectable>2</dram_uncorrectable></volatile>
    <aggregate><dram_uncorrectable>90</dram_uncorrectable></aggregate>
  </ecc_errors>
  <remapped_rows><remapped_row_pending>Yes</remapped_row_pending><remapped_row_failure>No</remapped_row_failure>
  </remapped_rows>
  <temperature><gpu_temp>41 C</gpu_temp></temperature>
  <gpu_power_readings><current_power_limit>300.00 W</current_power_limit>
    <default_power_limit>400.00 W</default_power_limit></gpu_power_readings>
  <processes>
    <process_info><pid>1</pid><type>G</type></process_info>
    <process_info><pid>2</pid><type>C</type></process_info>
    <process_info><pid>3</pid><type>C+G</type></process_info>
  </processes>
</gpu>
"""
LOG = f"""<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">
<nvidia_smi_log>
<driver_version>575.51.02</driver_version><cuda_version>12.9</cuda_version><attached_gpus>1</attached_gpus>
{CARD}
</nvidia_smi_log>"""


def test_the_driver_and_its_card_are_read() -> None:
    driver = driver_from(LOG)
    assert (driver.outcome, driver.version, driver.cuda_version) == ("ok", "575.51.02", "12.9")
    assert driver.cards == (
        Card(
            name="NVIDIA A100-SXM4-80GB",
            uuid="GPU-00000000-0000-0000-0000-000000000000",
            architecture="Ampere",
            persistence="Enabled",
            mig="Enabled",
            mig_devices=2,
            compute_mode="Default",
            power_limit_watts=300.0,
            default_power_limit_watts=400.0,
            ecc="Enabled",
            uncorrected_errors=3,
            remapping_pending=True,
            slowdowns=("its power limit",),
            temperature_celsius=41.0,
            link_generation=1,
            max_link_generation=4,
            link_width=8,
            max_link_width=16,
            processes=2,
        ),
    )


def test_what_the_tool_does_not_know_stays_unknown() -> None:
    card = "<gpu><product_name>GeForce</product_name><persistence_mode>N/A</persistence_mode><mig_devices>None"
    card += "</mig_devices><ecc_mode><current_ecc>N/A</current_ecc></ecc_mode></gpu>"
    driver = driver_from(f"<nvidia_smi_log><driver_version>470.1</driver_version>{card}</nvidia_smi_log>")
    assert driver.cards == (Card(name="GeForce"),)
    assert driver.cuda_version == ""


def test_older_drivers_have_other_names_for_power_and_throttling() -> None:
    card = "<gpu><product_name>T4</product_name><clocks_throttle_reasons><clocks_throttle_reason_sw_thermal_slowdown>"
    card += "Active</clocks_throttle_reason_sw_thermal_slowdown></clocks_throttle_reasons><power_readings>"
    card += "<enforced_power_limit>70.00 W</enforced_power_limit></power_readings></gpu>"
    (read,) = driver_from(f"<nvidia_smi_log>{card}</nvidia_smi_log>").cards
    assert read.slowdowns == ("its temperature (driver)",)
    assert read.power_limit_watts == 70.0


def test_what_is_no_xml_is_refused() -> None:
    with pytest.raises(ValueError, match="no XML"):
        driver_from("<nvidia_smi_log><gpu>")
