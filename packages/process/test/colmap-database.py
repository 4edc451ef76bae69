# Writes colmap-database.db, a database as COLMAP lays it out: four cameras, two moments. Pages are small, so that tables
# have inner pages and most rows go on in overflow pages.
import os, sqlite3, struct

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'colmap-database.db')
if os.path.exists(path): os.remove(path)
c = sqlite3.connect(path)
c.execute('PRAGMA page_size = 512')
c.execute('CREATE TABLE cameras (camera_id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, model INTEGER NOT NULL, width INTEGER '
          'NOT NULL, height INTEGER NOT NULL, params BLOB, prior_focal_length INTEGER NOT NULL)')
c.execute('CREATE TABLE images (image_id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, name TEXT NOT NULL UNIQUE, camera_id INTEGER '
          'NOT NULL, prior_qw REAL, prior_tx REAL)')
c.execute('CREATE TABLE keypoints (image_id INTEGER PRIMARY KEY NOT NULL, rows INTEGER NOT NULL, cols INTEGER NOT NULL, data BLOB)')
c.execute('CREATE TABLE two_view_geometries (pair_id INTEGER PRIMARY KEY NOT NULL, rows INTEGER NOT NULL, cols INTEGER NOT NULL, '
          'data BLOB, config INTEGER NOT NULL, F BLOB)')
# Image ids are out of the order of names, as several threads leave them.
names = ['cam2/0.png', 'cam0/0.png', 'cam1/1.png', 'cam3/0.png', 'cam0/1.png', 'cam2/1.png', 'cam1/0.png', 'cam3/1.png']
ids = {name: i + 1 for i, name in enumerate(names)}
for name, i in ids.items():
    c.execute('INSERT INTO images VALUES (?, ?, ?, ?, ?)', (i, name, int(name[3]) + 1, None, 0.5 * i))
    points = [v for k in range(40) for v in (10 * i + k, k + 0.5, 1, 0, 0, 1)]
    c.execute('INSERT INTO keypoints VALUES (?, 40, 6, ?)', (i, struct.pack('<240f', *points)))

def pair(a, b, matches):
    if ids[a] > ids[b]: a, b, matches = b, a, [(y, x) for x, y in matches]
    data = struct.pack(f'<{2 * len(matches)}I', *(v for m in matches for v in m)) if matches else None
    c.execute('INSERT INTO two_view_geometries VALUES (?, ?, 2, ?, 3, ?)',
              (ids[a] * 2147483647 + ids[b], len(matches), data, struct.pack('<9d', *range(9))))

for moment in (0, 1):
    for camera in range(3):
        # Feature k of one is k + 1 of the next.
        pair(f'cam{camera}/{moment}.png', f'cam{camera + 1}/{moment}.png', [(k, k + 1) for k in range(20 - 5 * moment)])
    pair(f'cam0/{moment}.png', f'cam3/{moment}.png', [])
# Of one camera at two moments.
pair('cam0/0.png', 'cam0/1.png', [(1, 2), (2, 3)])
c.commit()
c.close()
