#include "engine/process.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static uint64_t cpu_us(void)
{
    struct rusage use;
    if (getrusage(RUSAGE_SELF, &use) != 0)
        return 0;
    return (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

/* Of /proc/self/status (proc(5)); VmRSS is in KiB. */
static void read_status(struct process_use *use)
{
    char line[256];
    FILE *file = fopen("/proc/self/status", "re");
    if (!file)
        return;
    while (fgets(line, sizeof(line), file)) {
        if (strncmp(line, "VmRSS:", 6) == 0)
            use->resident_bytes = strtoull(line + 6, NULL, 10) * 1024;
        else if (strncmp(line, "Threads:", 8) == 0)
            use->threads = strtoull(line + 8, NULL, 10);
    }
    fclose(file);
}

static uint64_t count_files(void)
{
    uint64_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder)
        return 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count ? count - 1 : 0; /* Without the one that looked. */
}

struct process_use process_look(void)
{
    struct rlimit limit;
    struct process_use use = {.cpu_us = cpu_us(), .open_files = count_files()};
    read_status(&use);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        use.most_files = limit.rlim_cur;
    return use;
}
