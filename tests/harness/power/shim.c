/*
 * Records, in one total order, what a process does to the files below a directory and what it
 * sends on sockets. Loaded into the server under test with LD_PRELOAD; never part of what ships.
 *
 *   POWER_HOME     the directory, absolute
 *   POWER_JOURNAL  where the records go
 *
 * A record is a head of seven little-endian 64-bit words (kind, file, a, b, length of the text,
 * length of the data, position up to which a sync holds), the text, the data. One lock is held
 * over the call and its record, so that the order of records is the order of effects. A sync
 * holds for what was recorded before it began; its record comes after it returned.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { CREATE = 1, OPEN, WRITE, TRUNCATE, SYNC, RENAME, UNLINK, SYNC_DIR, MKDIR, SEND };
#define FILES 4096
#define SENT 4096 /* so much of each message is kept */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char home[4096];
static size_t home_length;
static int journal = -1;
static uint64_t recorded; /* records so far */
static uint64_t files[FILES]; /* inode by descriptor; 0 when it is none of ours */
static unsigned char directories[FILES];

#define REAL(type, name) ((type)dlsym(RTLD_NEXT, name))

__attribute__((constructor)) static void begin(void) {
  const char *directory = getenv("POWER_HOME"), *path = getenv("POWER_JOURNAL");
  if (!directory || !path || strlen(directory) >= sizeof home) return;
  strcpy(home, directory);
  home_length = strlen(home);
  journal = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  /* High, so that no descriptor of the program's has this number. */
  int high = fcntl(journal, F_DUPFD_CLOEXEC, 900);
  if (high >= 0) { syscall(SYS_close, journal); journal = high; }
}

/* Under the lock. */
static void record(uint64_t kind, uint64_t file, uint64_t a, uint64_t b, const char *text,
                   const struct iovec *data, int parts, uint64_t bytes, uint64_t upto) {
  size_t length = text ? strlen(text) : 0;
  uint64_t head[7] = {kind, file, a, b, length, bytes, upto};
  struct iovec all[66] = {{head, sizeof head}, {(void *)text, length}};
  int n = 2;
  uint64_t left = bytes;
  for (int i = 0; i < parts && n < 66 && left > 0; i++) {
    all[n] = data[i];
    if (all[n].iov_len > left) all[n].iov_len = left;
    left -= all[n].iov_len;
    n++;
  }
  int saved = errno;
  if (syscall(SYS_writev, journal, all, n) != (long)(sizeof head + length + bytes)) {
    static const char why[] = "power shim: the journal cannot be written\n";
    (void)!syscall(SYS_write, 2, why, sizeof why - 1);
    _exit(97);
  }
  errno = saved;
  recorded++;
}

static const char *below_home(const char *path) {
  if (journal < 0 || strncmp(path, home, home_length) != 0) return NULL;
  if (path[home_length] == 0) return path + home_length;
  return path[home_length] == '/' ? path + home_length + 1 : NULL;
}

static uint64_t tracked(int fd) { return fd >= 0 && fd < FILES ? files[fd] : 0; }

static int open_any(int at, const char *path, int flags, mode_t mode) {
  const char *name = path[0] == '/' ? below_home(path) : NULL;
  if (!name) return (int)syscall(SYS_openat, at, path, flags, mode);
  pthread_mutex_lock(&lock);
  struct stat before, now;
  int existed = stat(path, &before) == 0;
  int fd = (int)syscall(SYS_openat, at, path, flags, mode);
  if (fd >= 0 && fd < FILES && fstat(fd, &now) == 0) {
    if (S_ISDIR(now.st_mode)) {
      files[fd] = now.st_ino, directories[fd] = 1;
      record(OPEN, now.st_ino, 1, 0, name, NULL, 0, 0, 0);
    } else if (S_ISREG(now.st_mode)) {
      files[fd] = now.st_ino, directories[fd] = 0;
      record(existed ? OPEN : CREATE, now.st_ino, 0, now.st_mode & 07777, name, NULL, 0, 0, 0);
      if (existed && (flags & O_TRUNC)) record(TRUNCATE, now.st_ino, 0, 0, NULL, NULL, 0, 0, 0);
    }
  }
  pthread_mutex_unlock(&lock);
  return fd;
}

static mode_t mode_of(int flags, va_list rest) {
  return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
}
#define MODE(flags) va_list rest; va_start(rest, flags); mode_t mode = mode_of(flags, rest); va_end(rest)

int open(const char *path, int flags, ...) { MODE(flags); return open_any(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags); return open_any(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags); return open_any(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags); return open_any(at, path, flags, mode); }
int creat(const char *path, mode_t mode) { return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

int close(int fd) {
  pthread_mutex_lock(&lock);
  if (fd == journal) { pthread_mutex_unlock(&lock); errno = EBADF; return -1; }
  if (fd >= 0 && fd < FILES) files[fd] = 0;
  int result = (int)syscall(SYS_close, fd);
  pthread_mutex_unlock(&lock);
  return result;
}

static void sent(int fd, const struct iovec *parts, int count) {
  struct sockaddr_in6 ours = {0}, theirs = {0};
  socklen_t a = sizeof ours, b = sizeof theirs;
  if (getsockname(fd, (void *)&ours, &a) || getpeername(fd, (void *)&theirs, &b)) return;
  if (ours.sin6_family != AF_INET && ours.sin6_family != AF_INET6) return;
  uint64_t bytes = 0;
  for (int i = 0; i < count; i++) bytes += parts[i].iov_len;
  if (bytes > SENT) bytes = SENT;
  if (count > 60) return;
  /* The port lies at the same place for both families. */
  record(SEND, 0, ntohs(ours.sin6_port), ntohs(theirs.sin6_port), NULL, parts, count, bytes, 0);
}

static int is_socket(int fd) {
  struct stat found;
  return journal >= 0 && fstat(fd, &found) == 0 && S_ISSOCK(found.st_mode);
}

/* `at` below 0: at the file's own position. */
static ssize_t write_any(int fd, const struct iovec *parts, int count, off_t at) {
  if (!tracked(fd)) {
    if (at >= 0) return syscall(SYS_pwritev, fd, parts, count, at, 0);
    if (!is_socket(fd)) return syscall(SYS_writev, fd, parts, count);
    pthread_mutex_lock(&lock);
    sent(fd, parts, count);
    pthread_mutex_unlock(&lock);
    return syscall(SYS_writev, fd, parts, count);
  }
  pthread_mutex_lock(&lock);
  off_t from = at;
  if (from < 0) {
    struct stat found;
    int flags = fcntl(fd, F_GETFL);
    from = (flags & O_APPEND) && fstat(fd, &found) == 0 ? found.st_size : lseek(fd, 0, SEEK_CUR);
  }
  ssize_t done = at >= 0 ? syscall(SYS_pwritev, fd, parts, count, at, 0)
                         : syscall(SYS_writev, fd, parts, count);
  if (done > 0) record(WRITE, files[fd], (uint64_t)from, 0, NULL, parts, count, (uint64_t)done, 0);
  pthread_mutex_unlock(&lock);
  return done;
}

#define ONE {(void *)data, length}
ssize_t write(int fd, const void *data, size_t length) { struct iovec one = ONE; return write_any(fd, &one, 1, -1); }
ssize_t pwrite(int fd, const void *data, size_t length, off_t at) { struct iovec one = ONE; return write_any(fd, &one, 1, at); }
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at) { struct iovec one = ONE; return write_any(fd, &one, 1, at); }
ssize_t writev(int fd, const struct iovec *parts, int count) { return write_any(fd, parts, count, -1); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return write_any(fd, parts, count, at); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) { return write_any(fd, parts, count, at); }

ssize_t sendto(int fd, const void *data, size_t length, int flags, const struct sockaddr *to, socklen_t size) {
  if (journal >= 0) {
    struct iovec one = ONE;
    pthread_mutex_lock(&lock);
    sent(fd, &one, 1);
    pthread_mutex_unlock(&lock);
  }
  return syscall(SYS_sendto, fd, data, length, flags, to, size);
}
ssize_t send(int fd, const void *data, size_t length, int flags) { return sendto(fd, data, length, flags, NULL, 0); }
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  if (journal >= 0) {
    pthread_mutex_lock(&lock);
    sent(fd, message->msg_iov, (int)message->msg_iovlen);
    pthread_mutex_unlock(&lock);
  }
  return syscall(SYS_sendmsg, fd, message, flags);
}

static int truncate_any(int fd, off_t size) {
  if (!tracked(fd)) return (int)syscall(SYS_ftruncate, fd, size);
  pthread_mutex_lock(&lock);
  int result = (int)syscall(SYS_ftruncate, fd, size);
  if (result == 0) record(TRUNCATE, files[fd], (uint64_t)size, 0, NULL, NULL, 0, 0, 0);
  pthread_mutex_unlock(&lock);
  return result;
}
int ftruncate(int fd, off_t size) { return truncate_any(fd, size); }
int ftruncate64(int fd, off64_t size) { return truncate_any(fd, size); }

static int allocate_any(int fd, int mode, off_t at, off_t size) {
  if (!tracked(fd)) return (int)syscall(SYS_fallocate, fd, mode, at, size);
  pthread_mutex_lock(&lock);
  int result = (int)syscall(SYS_fallocate, fd, mode, at, size);
  struct stat found;
  /* What it can change here is the size. */
  if (result == 0 && fstat(fd, &found) == 0)
    record(TRUNCATE, files[fd], (uint64_t)found.st_size, 0, NULL, NULL, 0, 0, 0);
  pthread_mutex_unlock(&lock);
  return result;
}
int fallocate(int fd, int mode, off_t at, off_t size) { return allocate_any(fd, mode, at, size); }
int fallocate64(int fd, int mode, off64_t at, off64_t size) { return allocate_any(fd, mode, at, size); }
int posix_fallocate(int fd, off_t at, off_t size) { return allocate_any(fd, 0, at, size) ? errno : 0; }
int posix_fallocate64(int fd, off64_t at, off64_t size) { return allocate_any(fd, 0, at, size) ? errno : 0; }

static int sync_any(long call, int fd) {
  uint64_t file = tracked(fd);
  if (!file) return (int)syscall(call, fd);
  pthread_mutex_lock(&lock);
  uint64_t upto = recorded;
  pthread_mutex_unlock(&lock);
  int result = (int)syscall(call, fd);
  pthread_mutex_lock(&lock);
  if (result == 0)
    record(directories[fd] ? SYNC_DIR : SYNC, file, 0, 0, NULL, NULL, 0, 0, upto);
  pthread_mutex_unlock(&lock);
  return result;
}
int fsync(int fd) { return sync_any(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_any(SYS_fdatasync, fd); }

static int rename_any(const char *from, const char *to, unsigned flags) {
  const char *old = below_home(from), *new = below_home(to);
  if (!old && !new) return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
  pthread_mutex_lock(&lock);
  struct stat found = {0};
  stat(from, &found);
  int result = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
  if (result == 0) {
    char both[8192];
    snprintf(both, sizeof both, "%s\n%s", old ? old : "", new ? new : "");
    record(RENAME, found.st_ino, 0, 0, both, NULL, 0, 0, 0);
  }
  pthread_mutex_unlock(&lock);
  return result;
}
int rename(const char *from, const char *to) { return rename_any(from, to, 0); }
int renameat(int a, const char *from, int b, const char *to) {
  if (a != AT_FDCWD || b != AT_FDCWD) return (int)syscall(SYS_renameat2, a, from, b, to, 0);
  return rename_any(from, to, 0);
}
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
  if (a != AT_FDCWD || b != AT_FDCWD) return (int)syscall(SYS_renameat2, a, from, b, to, flags);
  return rename_any(from, to, flags);
}

static int unlink_any(int at, const char *path, int flags) {
  const char *name = path[0] == '/' ? below_home(path) : NULL;
  if (!name) return (int)syscall(SYS_unlinkat, at, path, flags);
  pthread_mutex_lock(&lock);
  int result = (int)syscall(SYS_unlinkat, at, path, flags);
  if (result == 0) record(UNLINK, 0, 0, 0, name, NULL, 0, 0, 0);
  pthread_mutex_unlock(&lock);
  return result;
}
int unlink(const char *path) { return unlink_any(AT_FDCWD, path, 0); }
int unlinkat(int at, const char *path, int flags) { return unlink_any(at, path, flags); }

int mkdir(const char *path, mode_t mode) {
  const char *name = below_home(path);
  if (!name) return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
  pthread_mutex_lock(&lock);
  int result = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
  struct stat found;
  if (result == 0 && stat(path, &found) == 0) record(MKDIR, found.st_ino, 0, 0, name, NULL, 0, 0, 0);
  pthread_mutex_unlock(&lock);
  return result;
}
