
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * For the unit tests of scripts at the sizes that the limits allow: the copy of
 * a tenant's sets, and what scripts have taken.
 */


#ifndef _MDM_UNIT_DDM_COPY_H_INCLUDED_
#define _MDM_UNIT_DDM_COPY_H_INCLUDED_


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mdm_unit_redis.h"


/* all calls are in SLOWLOG from now on */

static inline void
measure(mdm_unit_redis_t *redis)
{
    freeReplyObject(mdm_unit_redis_command(redis, "CONFIG SET "
                                           "slowlog-log-slower-than 0"));
    freeReplyObject(mdm_unit_redis_command(redis, "CONFIG SET "
                                           "slowlog-max-len 20000"));
}


/*
 * The copy of a tenant's sets as pages would bring it: sets, declarations in
 * each, from where on, variables of each, items that each set subscribes to.
 */

static inline void
copy(mdm_unit_redis_t *redis, int sets, int each, int step,
    int vars, int items)
{
    int          s;
    char         args[128];
    redisReply  *reply;

    for (s = 0; s < sets; s++) {
        (void) snprintf(args, sizeof(args), "%d %d %d %d %d", s, each, step,
                        vars, items);

        reply = mdm_unit_redis_command(redis, "EVAL %s 1 %s",
            "local T, n = 'mdm:{default/0}', {} "
            "for w in string.gmatch(KEYS[1], '%d+') do "
            "    n[#n + 1] = tonumber(w) end "
            "local vars, list, items = {}, {}, {} "
            "for k = 1, n[4] do vars[k] = string.format('%064d', k) end "
            "vars = #vars > 0 and ' ' .. table.concat(vars, ',') or '' "
            "for i = 1, n[2] do "
            "    list[i] = string.format('configuration/%064d', "
            "                            n[1] * n[3] + i) "
            "    redis.call('HSET', T .. ':dk', list[i], "
            "               redis.sha1hex(list[i]) .. vars) end "
            "for i = 1, n[5] do "
            "    items[i] = '\"item.' .. string.rep('0', 114) "
            "               .. string.format('%09d\"', n[1] * n[5] + i) end "
            "redis.call('HSET', T .. ':dd', 's' .. n[1], n[1] .. ' 5 5 0 ' "
            "           .. n[2] + n[5], '#' .. n[1], 's' .. n[1]) "
            "if #list > 0 then redis.call('HSET', T .. ':ds', 'd:s' .. n[1], "
            "    table.concat(list, '\\n')) end "
            "if #items > 0 then redis.call('HSET', T .. ':ds', 's:s' .. n[1], "
            "    '[' .. table.concat(items, ',') .. ']') end return 1", args);
        assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
        freeReplyObject(reply);
    }

    (void) mdm_unit_redis_int(redis, "HSET mdm:{default/ddm}:meta rev 5");
    (void) mdm_unit_redis_int(redis, "HSET mdm:{default/0}:ddm rev 5 to 5");
    freeReplyObject(mdm_unit_redis_command(redis, "SLOWLOG RESET"));
}


static inline int
by_time(const void *a, const void *b)
{
    return *(const int *) a - *(const int *) b;
}


/*
 * How often a script was called since; with MDM_MEASURE, its times, in the
 * order of the calls with MDM_MEASURE=all.  The very first call of a
 * script, which is sent by EVAL, has none.
 */

static inline mdm_uint_t
measured(mdm_unit_redis_t *redis, const char *what,
    const mdm_script_t *script)
{
    int          times[20000];
    size_t       i;
    mdm_uint_t   n;
    redisReply  *reply, *one;
    const char  *how;

    how = getenv("MDM_MEASURE");
    reply = mdm_unit_redis_command(redis, "SLOWLOG GET 20000");
    n = 0;

    for (i = reply->elements; i != 0; i--) {
        one = reply->element[i - 1]->element[3];

        if (one->elements > 1
            && strncmp(one->element[1]->str, (char *) script->sha1.data, 40)
               == 0
            && n < 20000)
        {
            times[n++] = (int) reply->element[i - 1]->element[2]->integer;
        }
    }

    freeReplyObject(reply);

    if (n == 0 || how == NULL) {
        return n;
    }

    if (strcmp(how, "all") == 0) {
        print_message("%s:", what);

        for (i = 0; i < n; i++) {
            print_message(" %d", times[i]);
        }

        print_message("\n");
        return n;
    }

    qsort(times, n, sizeof(int), by_time);
    print_message("%s: %lu calls, %.2f %.2f %.2f ms\n", what,
                  (unsigned long) n, times[0] / 1000.0, times[n / 2] / 1000.0,
                  times[n - 1] / 1000.0);

    return n;
}


#endif /* _MDM_UNIT_DDM_COPY_H_INCLUDED_ */
