//! Folders that live as long as a test: in memory where the machine has room for them there, since what
//! git writes is many small files. It must not know what they are for.

use std::path::Path;

use tempfile::TempDir;

/// Where Linux has a file system in memory.
const MEMORY: &str = "/dev/shm";
/// The fewest KiB that it has to have for tests that run side by side; containers often have 64 MiB.
const ROOM: u64 = 1 << 20;

/// A folder whose name begins with a word, which is removed when it is dropped.
///
/// # Errors
/// When it cannot be made.
pub fn folder(word: &str) -> std::io::Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix(word);
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    if has_room(&mounts)
        && let Ok(folder) = builder.tempdir_in(Path::new(MEMORY))
    {
        return Ok(folder);
    }
    builder.tempdir()
}

/// Whether the mounts of a machine have enough memory for files. Where no size is told it is half of
/// the machine's.
fn has_room(mounts: &str) -> bool {
    let mut lines = mounts.lines().map(|line| line.split(' '));
    let found = lines.find_map(|mut words| {
        let (place, kind, options) = (words.nth(1)?, words.next()?, words.next()?);
        (place == MEMORY && kind == "tmpfs").then_some(options)
    });
    let Some(options) = found else {
        return false;
    };
    let sizes = options
        .split(',')
        .filter_map(|option| option.strip_prefix("size="));
    let mut sizes = sizes.map(|size| {
        size.strip_suffix('k')
            .and_then(|size| size.parse::<u64>().ok())
    });
    sizes.all(|size| size.is_some_and(|size| size >= ROOM))
}

#[cfg(test)]
mod tests {
    use super::has_room;

    fn check(options: &str, expected: bool) {
        let mounts = format!("proc /proc proc rw 0 0\ntmpfs /dev/shm tmpfs {options} 0 0\n");
        assert_eq!(has_room(&mounts), expected, "{options}");
    }

    #[test]
    fn small_memory_is_left_alone() {
        check("rw,nosuid,nodev", true);
        check("rw,nosuid,nodev,size=25165824k,inode64", true);
        check("rw,nosuid,nodev,noexec,relatime,size=65536k", false);
        check("rw,size=50%", false);
        assert!(!has_room("proc /proc proc rw 0 0\n"));
    }
}
