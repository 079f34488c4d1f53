
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The table of what APNs answers, and what is done then.
 */


#include "mdm_push_memory.h"


#define MDM_PUSH_SECOND       1000
#define MDM_PUSH_MINUTE       (60 * MDM_PUSH_SECOND)

/* ms: a push that got lost */
#define MDM_PUSH_LOST         (5 * MDM_PUSH_SECOND)
#define MDM_PUSH_LOST_MAX     (15 * MDM_PUSH_MINUTE)

/* APNs is in trouble */
#define MDM_PUSH_TROUBLE      (15 * MDM_PUSH_MINUTE)

/* a token that is pushed to too often */
#define MDM_PUSH_SLOW         (60 * MDM_PUSH_SECOND)
#define MDM_PUSH_SLOW_MAX     (30 * MDM_PUSH_MINUTE)

/* a token that is said to be dead, and is not believed to be yet */
#define MDM_PUSH_DOUBT        (60 * MDM_PUSH_MINUTE)

/* there is no connection; no certificate; the topic is stopped */
#define MDM_PUSH_AWAY         MDM_PUSH_SECOND
#define MDM_PUSH_LACKING      MDM_PUSH_MINUTE
#define MDM_PUSH_STOPPED      (30 * MDM_PUSH_SECOND)


static void mdm_push_clock(mdm_push_memory_t *memory, int64_t now);
static void mdm_push_delay(const mdm_push_t *push, mdm_push_judged_t *judged,
    int64_t first, int64_t last);
static void mdm_push_bad_token(mdm_exchange_t *x, const mdm_push_t *push,
    mdm_push_judged_t *judged);
static void mdm_push_back(const mdm_push_t *push, mdm_push_judged_t *judged);


mdm_uint_t
mdm_push_note(mdm_push_memory_t *memory, mdm_push_t *push, int64_t now)
{
    mdm_uint_t          notes;
    mdm_push_verdict_e  verdict;

    notes = 0;
    verdict = mdm_push_outcome(push);

    mdm_push_clock(memory, now);

    if (verdict == MDM_PUSH_VERDICT_TAKEN) {
        memory->taken = now;
        notes |= MDM_PUSH_NOTE_TAKEN;
    }

    push->believed = (memory->taken != 0
                      && now - memory->taken < MDM_PUSH_BELIEVED);

    if (push->outcome != MDM_PUSH_ANSWERED) {

        /* nobody has answered: nothing is known of the topic */

        return (verdict == MDM_PUSH_VERDICT_STOP) ? MDM_PUSH_NOTE_STOP : 0;
    }

    memory->bad = (verdict == MDM_PUSH_VERDICT_BAD_TOKEN) ? memory->bad + 1
                                                          : 0;
    memory->errors = (verdict == MDM_PUSH_VERDICT_LATER) ? memory->errors + 1
                                                         : 0;

    if (verdict == MDM_PUSH_VERDICT_STOP) {
        notes |= MDM_PUSH_NOTE_STOP;

    } else if (memory->bad >= MDM_PUSH_BAD_TOKENS) {
        notes |= MDM_PUSH_NOTE_STOP|MDM_PUSH_NOTE_TOKENS;
        push->believed = 0;
    }

    if (memory->errors >= MDM_PUSH_ERRORS && memory->probe == 0) {
        notes |= MDM_PUSH_NOTE_PAUSE;
        memory->probe = now + MDM_PUSH_PROBE;
        memory->paused = now;
        memory->held = 0;

    } else if (memory->errors == 0 && memory->probe != 0) {
        notes |= MDM_PUSH_NOTE_RESUME;
        memory->probe = 0;
    }

    if (verdict == MDM_PUSH_VERDICT_BUG
        && (memory->bug == 0 || now - memory->bug >= MDM_PUSH_BUG_QUIET))
    {
        notes |= MDM_PUSH_NOTE_BUG;
        memory->bug = now;
    }

    return notes;
}


/* what is ahead was noted by a clock that was wrong, and counts from now on */

static void
mdm_push_clock(mdm_push_memory_t *memory, int64_t now)
{
    if (memory->taken > now) {
        memory->taken = now;
    }

    if (memory->probe > now + MDM_PUSH_PROBE) {
        memory->probe = now;
    }

    if (memory->paused > now) {
        memory->paused = now;
    }

    if (memory->bug > now) {
        memory->bug = now;
    }
}


mdm_uint_t
mdm_push_hold(mdm_push_memory_t *memory, int64_t now)
{
    if (memory->probe == 0) {
        return 0;
    }

    mdm_push_clock(memory, now);

    if (now >= memory->probe) {
        memory->probe = now + MDM_PUSH_PROBE;
        return 0;
    }

    memory->held++;

    return (mdm_uint_t) ((memory->probe - now) * MDM_PUSH_SECOND);
}


mdm_int_t
mdm_push_judge(mdm_exchange_t *x, const mdm_push_t *push,
    mdm_push_judged_t *judged)
{
    memset(judged, 0, sizeof(mdm_push_judged_t));

    judged->reason = push->reason;

    if (push->outcome == MDM_PUSH_ANSWERED
        && mdm_printf(x->arena, &judged->reason, "%lu%s%.*s",
                      (unsigned long) push->status,
                      (push->reason.len != 0) ? " " : "",
                      mdm_fmt(&push->reason))
           != MDM_OK)
    {
        return MDM_ERROR;
    }

    switch (mdm_push_outcome(push)) {

    case MDM_PUSH_VERDICT_TAKEN:
        judged->word = "taken";
        break;

    case MDM_PUSH_VERDICT_DEAD:
        judged->word = "dead";
        judged->first = judged->last = MDM_PUSH_DOUBT;

        return mdm_printf(x->arena, &judged->timestamp, "%lld",
                          (long long) push->timestamp);

    case MDM_PUSH_VERDICT_BAD_TOKEN:
        mdm_push_bad_token(x, push, judged);
        break;

    case MDM_PUSH_VERDICT_SLOW:
        judged->word = "later";
        mdm_push_delay(push, judged, MDM_PUSH_SLOW, MDM_PUSH_SLOW_MAX);
        break;

    case MDM_PUSH_VERDICT_LATER:
        judged->word = "later";
        mdm_push_delay(push, judged, MDM_PUSH_TROUBLE, 0);
        break;

    case MDM_PUSH_VERDICT_BUG:
        judged->word = "never";
        break;

    case MDM_PUSH_VERDICT_AGAIN:
    case MDM_PUSH_VERDICT_RECONNECT:
        judged->word = "again";
        judged->first = MDM_PUSH_LOST;
        judged->last = MDM_PUSH_LOST_MAX;
        break;

    default: /* MDM_PUSH_VERDICT_STOP, MDM_PUSH_VERDICT_WAIT */
        mdm_push_back(push, judged);
    }

    return MDM_OK;
}


/*
 * What APNs wants comes first.  It is not pushed again sooner, whatever
 * push_done takes off at random, a fifth.
 */

static void
mdm_push_delay(const mdm_push_t *push, mdm_push_judged_t *judged,
    int64_t first, int64_t last)
{
    if (push->retry_after > 0) {
        first = push->retry_after * MDM_PUSH_SECOND * 5 / 4;
    }

    judged->first = first;
    judged->last = (last > first) ? last : first;
}


/* where APNs takes none at all, it is not the token that is bad */

static void
mdm_push_bad_token(mdm_exchange_t *x, const mdm_push_t *push,
    mdm_push_judged_t *judged)
{
    const mdm_settings_t  *s;

    s = x->settings;

    judged->first = (int64_t) s->push_retry[0] * MDM_PUSH_SECOND;
    judged->last = judged->first;

    if (s->npush_retry != 0) {
        judged->last = (int64_t) s->push_retry[s->npush_retry - 1]
                       * MDM_PUSH_SECOND;
    }

    judged->word = push->believed ? "dead" : "later";
}


static void
mdm_push_back(const mdm_push_t *push, mdm_push_judged_t *judged)
{
    judged->word = "back";
    judged->waits = 1;

    if (push->again != 0) {
        judged->first = (int64_t) push->again;

    } else if (push->outcome == MDM_PUSH_NO_CERTIFICATE
               || push->outcome == MDM_PUSH_EXPIRED)
    {
        judged->first = MDM_PUSH_LACKING;

    } else if (mdm_push_outcome(push) == MDM_PUSH_VERDICT_STOP) {
        judged->first = MDM_PUSH_STOPPED;

    } else {
        judged->first = MDM_PUSH_AWAY;
    }

    judged->last = judged->first;
}
