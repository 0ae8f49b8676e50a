//! Whether a path leads where root has had it lead.
//!
//! What root opens for another user must not depend on what that user can change: a symbolic link in a folder of
//! the user's leads to any file of the system. So the folders and links of a path are looked at one by one, from
//! the root folder on; in none of them may the user have a word.

use std::{
    ffi::OsString,
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Component, Path, PathBuf},
};

use crate::process::Credentials;

/// Links that are followed: Linux's number.
const MOST_LINKS: usize = 40;

const OTHERS_WRITE: u32 = 0o002;
const GROUP_WRITES: u32 = 0o020;
const STICKY: u32 = 0o1000;

/// Where `path` leads, all links followed, when `user` can't change that; the last part need not be there. Absent
/// when the user can.
///
/// # Errors
/// When a folder of the path can't be looked at.
pub(super) fn beyond_reach_of(user: &Credentials, path: &Path) -> io::Result<Option<PathBuf>> {
    let mut rest = parts(&std::path::absolute(path)?);
    let mut here = PathBuf::from("/");
    let mut links = 0;
    while let Some(part) = rest.pop() {
        let folder = fs::symlink_metadata(&here)?;
        if part == ".." {
            here.pop();
            continue;
        }
        let next = here.join(&part);
        let found = match fs::symlink_metadata(&next) {
            // It is about to be made, in a folder of nobody else's.
            Err(error) if error.kind() == io::ErrorKind::NotFound && rest.is_empty() => None,
            found => Some(found?),
        };
        if !keeps(user, &here, &folder, found.as_ref()) {
            return Ok(None);
        }
        if found.is_some_and(|found| found.is_symlink()) {
            links += 1;
            if links > MOST_LINKS {
                return Err(rustix::io::Errno::LOOP.into());
            }
            let target = fs::read_link(&next)?;
            if target.is_absolute() {
                here = PathBuf::from("/");
            }
            rest.extend(parts(&target));
        } else {
            here = next;
        }
    }
    Ok(Some(here))
}

/// Whether the user can neither remove nor replace what is in a folder, nor put it there.
fn keeps(user: &Credentials, path: &Path, folder: &Metadata, inside: Option<&Metadata>) -> bool {
    if user.is(folder.uid()) {
        return false;
    }
    let group_writes = folder.mode() & GROUP_WRITES != 0;
    // The bits of the group are the most that a list of users may do.
    let writes =
        folder.mode() & OTHERS_WRITE != 0 || group_writes && (user.is_in(folder.gid()) || has_list(path));
    let sticky = folder.mode() & STICKY != 0;
    !writes || sticky && inside.is_some_and(|inside| !user.is(inside.uid()))
}

/// Whether a list says who may use the folder besides its owner and its group.
fn has_list(path: &Path) -> bool {
    #[cfg(target_os = "linux")]
    {
        let mut bytes = [0; 4096];
        !matches!(
            rustix::fs::getxattr(path, "system.posix_acl_access", &mut bytes[..]),
            Err(rustix::io::Errno::NODATA | rustix::io::Errno::OPNOTSUPP)
        )
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _nobody_knows = path;
        true
    }
}

/// The parts of a path, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let parts = path.components().filter_map(|component| match component {
        Component::Normal(part) => Some(part.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    });
    let mut parts: Vec<_> = parts.collect();
    parts.reverse();
    parts
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    #[test]
    fn a_path_that_the_user_can_change_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let mode = |name: &str, mode| {
            fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).expect("a folder of ours");
        };
        let owner = fs::metadata(folder.path()).expect("a folder");
        let (user, itself) =
            (Credentials::with(65534, &[65534]), Credentials::with(owner.uid(), &[owner.gid()]));
        for name in ["kept", "open", "group", "sticky"] {
            fs::create_dir(at(name)).expect("a folder of ours");
        }
        mode("kept", 0o755);
        mode("open", 0o777);
        mode("group", 0o775);
        mode("sticky", 0o1777);
        fs::write(at("sticky/log"), "").expect("a folder of ours");
        for (link, target) in [
            ("kept/up", "../kept/log"),
            ("open/out", "../kept/log"),
            ("kept/in", "../open/log"),
            ("kept/a", "b"),
        ] {
            symlink(target, at(link)).expect("a folder of ours");
        }
        symlink("a", at("kept/b")).expect("a folder of ours");
        let found = |user: &Credentials, name: &str| {
            let real = fs::canonicalize(folder.path()).expect("a folder");
            let found = beyond_reach_of(user, &at(name)).expect("it can be looked at")?;
            Some(found.strip_prefix(real).expect("inside").display().to_string())
        };
        for (name, expected) in [
            ("kept/log", Some("kept/log")),
            ("kept/../kept/./log", Some("kept/log")),
            ("kept/up", Some("kept/log")),
            ("open/log", None),
            ("open/out", None),
            ("kept/in", None),
            ("group/log", Some("group/log")),
            ("sticky/log", Some("sticky/log")),
            ("sticky/new", None),
        ] {
            assert_eq!(found(&user, name).as_deref(), expected, "{name}");
            assert_eq!(found(&itself, name), None, "{name}: it is the user's own");
        }
        assert_eq!(found(&Credentials::with(65534, &[1, owner.gid()]), "group/log"), None);
        assert!(beyond_reach_of(&user, &at("missing/log")).is_err());
        assert!(beyond_reach_of(&user, &at("kept/a")).is_err(), "a circle");
        if rustix::process::geteuid().is_root() {
            chown(at("kept"), Some(65534), None).expect("root may");
            assert_eq!(found(&user, "kept/log"), None);
        }
    }
}
