<?php
/* Rows become arrays, their JSON columns too, and json_encode writes it all. */
declare(strict_types=1);

require __DIR__ . '/page.php';

respond(function (int $next, array $rows, string $organization): string {
    $groups = [];
    foreach ($rows as $row) {
        $groups[] = [
            'buyerID' => $row['buyer_id'] ?? '',
            'creationTime' => rfc3339($row['creation_time']),
            'entitlementID' => $row['entitlement_id'] ?? '',
            'id' => $row['id'],
            'lastUpdateTime' => rfc3339($row['last_update_time']),
            'metaInfo' => json_decode($row['meta_info'] ?? '{}', flags: JSON_THROW_ON_ERROR),
            'organizationID' => $organization,
            'partner' => $row['partner'],
            'records' => json_decode($row['records'] ?? '{}', flags: JSON_THROW_ON_ERROR),
            'serialID' => $row['serial_id'],
            'status' => $row['status'],
            'usageRecordReportID' => $row['usage_record_report_id'] ?? '',
        ];
    }
    return json_encode(['nextOffset' => $next, 'usageRecordGroups' => $groups],
                       JSON_THROW_ON_ERROR | JSON_PRESERVE_ZERO_FRACTION | JSON_UNESCAPED_SLASHES
                       | JSON_UNESCAPED_UNICODE);
});
