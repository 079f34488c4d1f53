
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A result as large as one wants it: the list of applications, with the 18 to
 * 21 keys that Apple's devices send of each, before the Status, as they sort
 * their keys.
 */


#include <stdlib.h>

#include <zlib.h>

#include "mdmsim_stat.h"


/* seconds that a measurement of zlib takes */

#define SIM_INVENTORY_TIME  0.3


static const char  *sim_inventory_flags[] = {
    "AdHocCodeSigned", "AppStoreVendable", "BetaApp", "DeviceBasedVPP",
    "DownloadCancelled", "DownloadFailed", "DownloadPaused",
    "DownloadWaiting", "HasUpdateAvailable", "Installing", "IsAppClip",
    "IsValidated", NULL
};


void
sim_inventory(sim_plist_t *w, const sim_device_t *d, uint64_t size)
{
    char       text[96];
    uint32_t   k;
    uint64_t   i, x;

    static const char  *words[] = {
        "Mail", "Maps", "Notes", "Photo", "Video", "Music", "Draw", "Scan",
        "Office", "Travel", "Bank", "News", "Sport", "Chat", "Health", "Game"
    };

    sim_plist_key(w, "InstalledApplicationList");
    sim_plist_array(w);

    for (i = 0; (w->binary ? w->text.len + 9 * (uint64_t) w->nnodes
                           : w->out->len) + 400 < size; i++)
    {
        x = sim_mix(d->hash + i * 7 + 4000);

        sim_plist_dict(w);

        for (k = 0; sim_inventory_flags[k] != NULL; k++) {
            sim_plist_key(w, sim_inventory_flags[k]);
            sim_plist_bool(w, (int) (x >> (40 + k) & 1));
        }

        sim_plist_key(w, "BundleSize");
        sim_plist_int(w, (int64_t) (x >> 36));

        if ((i & 3) == 0) {
            sim_plist_kstr(w, "DistributorIdentifier", "com.apple.AppStore");
        }

        sim_plist_key(w, "DynamicSize");
        sim_plist_int(w, (int64_t) (x >> 44));
        sim_plist_key(w, "ExternalVersionIdentifier");
        sim_plist_int(w, (int64_t) (x >> 32));

        snprintf(text, sizeof(text), "com.example.%s%u", words[x & 15],
                 (unsigned) (x >> 8 & 0xfff));
        sim_plist_kstr(w, "Identifier", text);
        snprintf(text, sizeof(text), "%s & %s", words[x & 15],
                 words[x >> 4 & 15]);
        sim_plist_kstr(w, "Name", text);
        snprintf(text, sizeof(text), "%u.%u.%u", (unsigned) (x >> 20 & 15),
                 (unsigned) (x >> 24 & 31), (unsigned) (x >> 30 & 7));
        sim_plist_kstr(w, "ShortVersion", text);

        if ((i & 1) == 0) {
            sim_plist_kstr(w, "Source", "App Store");
        }

        sim_plist_kstr(w, "Version", text);
        sim_plist_end(w);
    }

    sim_plist_end(w);
}


/*
 * What the server's zlib takes for a result, which it compresses at level 1:
 * measured here, by the same library, on the same machine.
 */

void
sim_inventory_report(const sim_buf_t *result)
{
    uLongf    len, bound;
    double    begin, used;
    Bytef    *out;
    uint32_t  n;

    bound = compressBound((uLong) result->len);
    out = sim_alloc(bound);
    len = bound;
    n = 0;

    begin = sim_cpu_self();

    do {
        len = bound;

        if (compress2(out, &len, (const Bytef *) result->data,
                      (uLong) result->len, 1)
            != Z_OK)
        {
            sim_die("zlib failed");
        }

        n++;
        used = sim_cpu_self() - begin;

    } while (used < SIM_INVENTORY_TIME * 1e9);

    free(out);

    sim_out("result_bytes", (double) result->len, 0, "bytes");
    sim_out("deflate_bytes", (double) len, 0, "bytes");
    sim_out("deflate_cpu", used / n / 1e3, 1, "us");
}
