//! Which of the mounted file systems are disks, each device once.

use std::collections::BTreeMap;

use sysinfo::{Disk, Disks};

/// The mounted disks by device name. Of several mounts of a device the one with the shortest path is kept, so a bind
/// mount does not hide the file system it comes from.
pub(super) fn real_disks(disks: &Disks) -> BTreeMap<String, &Disk> {
    let mut by_device: BTreeMap<String, &Disk> = BTreeMap::new();
    for disk in disks.iter().filter(|disk| is_real(disk)) {
        let kept = by_device.entry(disk.name().to_string_lossy().into_owned()).or_insert(disk);
        if disk.mount_point().as_os_str().len() < kept.mount_point().as_os_str().len() {
            *kept = disk;
        }
    }
    // Inside a container the root is an overlay: better than showing none.
    if by_device.is_empty()
        && let Some(root) = disks.iter().find(|disk| disk.mount_point() == std::path::Path::new("/"))
    {
        by_device.insert(root.name().to_string_lossy().into_owned(), root);
    }
    by_device
}

fn is_real(disk: &Disk) -> bool {
    if disk.total_space() == 0 {
        return false;
    }
    if !cfg!(target_os = "linux") {
        return true;
    }
    let device = disk.name().to_string_lossy();
    // Container engines mount single files of a disk there.
    let single_file = disk.mount_point().starts_with("/etc");
    let of_a_pool = matches!(disk.file_system().to_str(), Some("zfs" | "bcachefs"));
    (device.starts_with("/dev/") && !device.starts_with("/dev/loop") && !single_file) || of_a_pool
}
