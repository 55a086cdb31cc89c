//! Users and groups for programs, where rewardspec is root: numbers that nobody else has.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

/// Where ranges begin: far above what systems give to people, services and containers.
const FIRST: u32 = 0x4000_0000;
const RANGES: u32 = 0x10_0000;
/// How many users and groups a range has.
const USERS_EACH: u32 = 512;
/// What systemd.exec(5) gives to services for the time they run: for where no more is mapped.
const FIRST_OF_FEW: u32 = 61184;
const FEW: u32 = 15;
const USERS_EACH_OF_FEW: u32 = 256;

/// Users and groups that belong to one backend of this process as long as this value lives.
#[derive(Debug)]
pub(in super::super) struct Users {
    first: u32,
    count: u32,
    /// Where ranges are few, a name that only one process of the machine can have.
    _claim: Option<UnixListener>,
}

impl Users {
    /// A range of users; none where this process may not become another.
    pub(in super::super) fn claim() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let mut random = [0; 4];
        let _ = getrandom::fill(&mut random);
        let random = u32::from_ne_bytes(random);
        // Not from the process id: containers that share users have small ones, all the same.
        let wanted = FIRST + random % RANGES * USERS_EACH;
        let maps = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        if is_mapped(&maps, wanted) {
            return Some(Users {
                first: wanted,
                count: USERS_EACH,
                _claim: None,
            });
        }
        (0..FEW).find_map(|step| {
            let range = (random % FEW + step) % FEW;
            let name = format!("rewardspec-users-{range}");
            let claim = SocketAddr::from_abstract_name(name)
                .and_then(|address| UnixListener::bind_addr(&address))
                .ok()?;
            Some(Users {
                first: FIRST_OF_FEW + range * USERS_EACH_OF_FEW,
                count: USERS_EACH_OF_FEW,
                _claim: Some(claim),
            })
        })
    }

    /// How many there are; an even number.
    pub(in super::super) fn count(&self) -> usize {
        self.count as usize
    }

    /// One of them.
    pub(in super::super) fn user(&self, index: usize) -> u32 {
        let index = index % self.count();
        self.first + u32::try_from(index).expect("an index below the count fits")
    }
}

/// Whether a user namespace's map (user_namespaces(7)) has a user.
fn is_mapped(maps: &str, user: u32) -> bool {
    maps.lines().any(|line| {
        let numbers: Vec<u64> = line
            .split_ascii_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        matches!(numbers[..], [first, _, count] if (first..first + count).contains(&user.into()))
    })
}

#[cfg(test)]
mod tests {
    use super::is_mapped;

    #[test]
    fn a_map_says_which_users_there_are() {
        assert!(is_mapped("         0          0 4294967295\n", 0x4000_0000));
        assert!(!is_mapped(
            "         0     100000      65536\n",
            0x4000_0000
        ));
        assert!(is_mapped("0 1000 1\n1 100000 65536\n", 61184));
    }
}
