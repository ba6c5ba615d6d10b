r"""What differs between operating systems; each module documents what it does on which system.

==========  ===========================  ============================  ==========================
module      Linux                        macOS, BSD                    Windows
==========  ===========================  ============================  ==========================
cpus        affinity and cgroup quota    `os.cpu_count`                `os.cpu_count`
memory      not needed (RLIMIT_AS)       psutil, else ``ps``           psutil, else kernel32
processes   sessions, signals, a timer   as on Linux                   process groups, CTRL_BREAK,
                                                                       a thread
paths       modes kept, O_NOFOLLOW       as on Linux                   modes left, links compared,
                                                                       ``\\?\`` for long paths
console     characters that the console cannot show are replaced, on every system
==========  ===========================  ============================  ==========================

What the readers' child processes need is in their own scripts, which do not import this package.
"""
